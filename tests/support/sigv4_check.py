# SPDX-License-Identifier: Apache-2.0
"""Recomputes the SigV4 signature of a request with botocore and judges it as AWS does.

The error codes and texts are those of the AWS services (botocore's test data and the public
signing documentation); the date may differ from the server's clock by at most five minutes.
"""
import calendar
import hashlib
import hmac
import re
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SKEW_SECONDS_MAX = 300

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/, ]+)/(\d{8})/([^/, ]+)/([^/, ]+)/aws4_request, ?"
    r"SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})")


class Refused(Exception):
    """What the service answers: HTTP status, error code and text."""

    def __init__(self, code, message, status=400):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def _stamp(seconds):
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(seconds))


def check_date(amz_date, now):
    try:
        sent = calendar.timegm(time.strptime(amz_date, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Refused("IncompleteSignatureException",
                      f"Date must be in ISO-8601 'basic format'. Got '{amz_date}'.") from None
    if sent < now - SKEW_SECONDS_MAX:
        raise Refused("InvalidSignatureException",
                      f"Signature expired: {amz_date} is now earlier than "
                      f"{_stamp(now - SKEW_SECONDS_MAX)} ({_stamp(now)} - 5 min.)")
    if sent > now + SKEW_SECONDS_MAX:
        raise Refused("InvalidSignatureException",
                      f"Signature not yet current: {amz_date} is still later than "
                      f"{_stamp(now + SKEW_SECONDS_MAX)} ({_stamp(now)} + 5 min.)")


def _required_headers(headers):
    required = {"host", "x-amz-date", "x-amz-target", "content-type"}
    for optional in ("x-amz-security-token", "x-amz-content-sha256"):
        if optional in headers:
            required.add(optional)
    return required


def _expected_signature(request, signed, credentials, region):
    auth = SigV4Auth(Credentials(*credentials), "kinesis", region)
    given = AWSRequest(method=request.method,
                       url=f"http://{request.headers['host']}{request.target}",
                       headers={name: request.headers[name] for name in signed}, data=request.body)
    given.context["timestamp"] = request.headers["x-amz-date"]
    return auth.signature(auth.string_to_sign(given, auth.canonical_request(given)), given)


def check_signature(request, credentials, region, now):
    """Raises Refused unless the request is signed right. Returns the access key id.

    `credentials`: access key id -> (secret, session token or None).
    """
    headers = request.headers
    if "authorization" not in headers:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = AUTHORIZATION.fullmatch(headers["authorization"])
    if not match or "x-amz-date" not in headers:
        raise Refused("IncompleteSignatureException",
                      f"cannot be read: Authorization {headers['authorization']!r}")
    key_id, date, scope_region, service, signed, signature = match.groups()
    if key_id not in credentials:
        raise Refused("UnrecognizedClientException",
                      "The security token included in the request is invalid.")
    secret, token = credentials[key_id]
    if headers.get("x-amz-security-token") != token:
        raise Refused("UnrecognizedClientException",
                      "The security token included in the request is invalid.")
    if date != headers["x-amz-date"][:8] or scope_region != region or service != "kinesis":
        raise Refused("InvalidSignatureException",
                      f"Credential should be scoped to a valid region ({region}) and date.")
    signed = signed.split(";")
    missing = _required_headers(headers) - set(signed)
    if missing or signed != sorted(signed) or not set(signed) <= set(headers):
        raise Refused("InvalidSignatureException",
                      f"signed headers {signed}: missing {sorted(missing)}, unsorted or not sent")
    stated = headers.get("x-amz-content-sha256")
    if stated is not None and stated != hashlib.sha256(request.body).hexdigest():
        raise Refused("InvalidSignatureException", "x-amz-content-sha256 is not that of the body")
    expected = _expected_signature(request, signed, (key_id, secret, token), region)
    if not hmac.compare_digest(expected, signature):
        raise Refused("InvalidSignatureException",
                      "The request signature we calculated does not match the signature you "
                      "provided. Check your AWS Secret Access Key and signing method.")
    check_date(headers["x-amz-date"], now)
    return key_id
