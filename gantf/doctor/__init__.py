"""`gantf doctor`: versions, devices, and which strategies work here."""
