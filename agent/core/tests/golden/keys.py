"""Prints keys.txt with other people's Argon2id and BLAKE3: pip install argon2-cffi blake3."""
from argon2.low_level import Type, hash_secret_raw
from blake3 import blake3

claim_key = hash_secret_raw(b"XSVR123456", b"serialnumberd/1/xsvr", 2, 19456, 1, 32, Type.ID)
claim_id = blake3(claim_key, derive_key_context="serialnumberd v1 claim id").hexdigest()[:32]
group = blake3(b"pair", key=claim_key).hexdigest()[:32]
print(f"claim id {claim_id}\ngroup pair {group}")
