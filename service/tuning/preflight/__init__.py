"""Whether a tuning would work where it is sent, found out before anything is paid for."""
