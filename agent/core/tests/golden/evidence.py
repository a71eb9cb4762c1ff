"""Checks a file of evidence with other people's libraries: pip install blake3 pynacl, and argon2-cffi for a serial.

python evidence.py evidence.json [SERIAL]    (the golden file's is XSVR-123-456)
"""
import json
import sys
from datetime import datetime

from blake3 import blake3
from nacl.signing import VerifyKey

text = open(sys.argv[1], "rb").read()
body, signature = text[:-148], text[-148:]
assert signature[:16] == b'  "signature": "' and signature[-4:] == b'"\n}\n', "cut off"


def no_twins(pairs):
    assert len(dict(pairs)) == len(pairs), "a member twice"
    return dict(pairs)


def signed(key, context, message, signature):
    VerifyKey(key).verify(context + b"\0" + message, signature)  # raises


file = json.loads(text, object_pairs_hook=no_twins)
assert file["format"] == "serialnumberd evidence 1"
recorder = bytes.fromhex(file["recorder"]["installation"])
signed(recorder, b"serialnumberd v1 evidence", blake3(body).digest(), bytes.fromhex(file["signature"]))

claim, product = bytes.fromhex(file["claim"]), file["product"].encode().ljust(32, b"\0")
mac_key = None
if len(sys.argv) > 2:
    from argon2.low_level import Type, hash_secret_raw

    serial = "".join(sys.argv[2].split()).replace("-", "").upper().encode()
    salt = b"serialnumberd/1/" + file["product"].encode()
    claim_key = hash_secret_raw(serial, salt, 2, 19456, 1, 32, Type.ID)
    assert blake3(claim_key, derive_key_context="serialnumberd v1 claim id").digest()[:16] == claim, "another serial"
    mac_key = blake3(claim_key, derive_key_context="serialnumberd v1 datagram mac").digest()


def ms(time):
    return round(datetime.fromisoformat(time).timestamp() * 1000)


asked, over = {}, 0
for number, proof in enumerate([file["first"]] + ([file["second"]] if "second" in file else []), 1):
    shown = []
    for pair in proof["pairs"]:
        q, a = bytes.fromhex(pair["question"]), bytes.fromhex(pair["answer"])
        for d in (q, a):
            assert len(d) == 320 and d[:4] == b"SNv1" and d[8:24] == claim and d[128:160] == product
            signed(d[24:56], b"serialnumberd v1 datagram", d[:240], d[240:304])
            assert mac_key is None or blake3(d[:304], key=mac_key).digest()[:16] == d[304:], "made without the serial"
        assert q[24:56] == recorder and q[4] in (1, 2) and a[4] == 2 and a[24:64] != q[24:64]
        assert a[104:120] == blake3(q).digest()[:16], "the answer is to another question"
        heard, at, answered = ms(pair["heard"]), ms(pair["asked"]), ms(pair["answered"])
        assert heard <= answered and at <= answered <= at + 10_000 and (number == 1 or at >= over)
        assert asked.setdefault(q, at) == at
        shown.append((heard, at, answered, a))
    if number == 1:
        first = proof["pairs"][0]
        derived = blake3(bytes.fromhex(first["question"]) + bytes.fromhex(first["answer"])).hexdigest()[:32]
        assert derived == file["id"], "the id is another's"
        over, once = max(p[2] for p in shown), {p[3][24:56] for p in shown}
    assert number == 1 or once & {p[3][24:56] for p in shown}, "nobody answered again"
    # This check knows no fail-over groups: with one, standbys take no seat.
    depths = [len({a[24:64] for heard, end, _, a in shown if heard <= at <= end}) + 1 for _, at, _, _ in shown]
    assert max(depths) > proof["seats"] > 0, "not more holders than seats"

assert len({q[88:104] for q in asked}) == len(asked), "a nonce again"
order = sorted((q[56:64], q[64:72], at) for q, at in asked.items())
assert all(a[0] != b[0] or (a[1] < b[1] and a[2] <= b[2]) for a, b in zip(order, order[1:])), "out of order"
print(f"evidence {file['id']}: verified" + ("" if mac_key is None else ", with the serial"))
