//! Outgoing HTTP: the guarded client, webhook signatures, the retry schedule.
