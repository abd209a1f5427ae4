"""Verifies the token of the second file by the key set of the first, and prints what it says."""

import base64
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from jwcrypto import jwk, jwt

with open(sys.argv[1]) as file:
    text = file.read()
keys = jwk.JWKSet.from_json(text)
thumbprints = []
for one in json.loads(text)["keys"]:
    key = jwk.JWK(**one)
    assert key.thumbprint() == one["kid"], "kid is not the thumbprint"
    leaf = x509.load_der_x509_certificate(base64.b64decode(one["x5c"][0], validate=True))
    for name, how in (("x5t", hashes.SHA1()), ("x5t#S256", hashes.SHA256())):
        digest = base64.urlsafe_b64encode(leaf.fingerprint(how)).rstrip(b"=").decode()
        assert digest == one[name], name
    issuer = x509.load_der_x509_certificate(base64.b64decode(one["x5c"][1], validate=True))
    assert leaf.issuer == issuer.subject, "x5c is out of order"
    thumbprints.append(one["kid"])
with open(sys.argv[2]) as file:
    token = jwt.JWT(jwt=file.read(), key=keys, algs=["RS256", "ES256"])
print(json.dumps({"header": json.loads(token.header), "claims": json.loads(token.claims), "thumbprints": thumbprints}))
