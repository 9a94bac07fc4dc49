//! AEAD envelopes, keyed hashes and the key ring: nothing but bytes.
