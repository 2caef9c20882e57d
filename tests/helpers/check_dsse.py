"""A DSSE envelope with a signature of ssh-keygen: check_dsse.py ENVELOPE ALLOWED_SIGNERS WORK. Prints its payload.

What is signed is computed here, by the specification (secure-systems-lab/dsse, protocol.md), and ssh-keygen judges.
Status 1, with what it says, where the signature is none of this payload.
"""
import base64
import json
import pathlib
import subprocess
import sys

envelope = json.loads(pathlib.Path(sys.argv[1]).read_text())
work = pathlib.Path(sys.argv[3])
payload = base64.b64decode(envelope["payload"], validate=True)
kind = envelope["payloadType"].encode()
signed = b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)
assert set(envelope) == {"payloadType", "payload", "signatures"} and len(envelope["signatures"]) == 1
one = envelope["signatures"][0]
assert set(one) == {"keyid", "sig"}
raw = base64.b64decode(one["sig"], validate=True)
assert raw[:6] == b"SSHSIG"
(work / "sig").write_text("-----BEGIN SSH SIGNATURE-----\n" + base64.encodebytes(raw).decode()
                          + "-----END SSH SIGNATURE-----\n")
judged = subprocess.run(["ssh-keygen", "-Y", "verify", "-n", "moonpulse-statement", "-I", "signer", "-f", sys.argv[2],
                         "-s", str(work / "sig")], input=signed, capture_output=True)
if judged.returncode != 0 or one["keyid"].encode() not in judged.stdout:
    print((judged.stdout + judged.stderr).decode())
    sys.exit(1)
sys.stdout.buffer.write(payload)
