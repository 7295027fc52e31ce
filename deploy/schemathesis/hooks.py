"""What schemathesis cannot know of Turnout: who signs in, and which ids exist.

Only requests that are meant to be valid are touched; the others stay as broken
as they were made. Ids that no answer has given are exchanged for ones that are
there, and texts that JSON Schema cannot describe (a time zone, a time ahead) for
some that exist, so that a request gets further than its first check.
"""

import os
import random
import re
import struct
import threading
import time
import unicodedata
import uuid
import zlib
from datetime import datetime, timedelta, timezone
from email import message_from_bytes, policy

import requests
import schemathesis
from schemathesis.core.parameters import ParameterLocation

URL = os.environ["TURNOUT_URL"].rstrip("/")
OPS_TOKEN = os.environ.get("TURNOUT_OPS_TOKEN", "")
# The generator of P-256, as good a key of a browser as any, and its secret.
DEVICE = {
    "p256dh": "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    "auth": "AAECAwQFBgcICQoLDA0ODw",
}
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]


def ahead(days: int, hours: int = 0) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days, hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


def png(side: int = 32) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"".join(b"\0" + b"\x7f" * side for _ in range(side)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


class World:
    """One organization of its own, with an event, and every id that answers gave."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.account = {"email": f"{uuid.uuid4().hex}@example.org", "password": uuid.uuid4().hex, "name": "Schemathesis"}
        self.ids: dict[str, list[str]] = {}
        self.guests: dict[str, str] = {}  # manage tokens by RSVP
        self.send("POST", "/v1/auth/register", self.account)
        self.sign_in()
        slug = "s-" + uuid.uuid4().hex
        self.org = self.send("POST", "/v1/organizations", {"name": "Schemathesis", "slug": slug})["id"]
        self.keep("org", self.org)
        for capacity in (2, None):
            event = self.send("POST", "/v1/events", self.event(capacity=capacity))["id"]
            self.send("POST", f"/v1/events/{event}/publish")
            self.keep("event", event)
            for _ in range(3):
                body = {"name": "Ada", "email": f"{uuid.uuid4().hex}@example.net", "response": "going"}
                self.learn("submitRSVP", self.send("POST", f"/v1/events/{event}/rsvps", body))

        self.session = self.mailed_session(event)

    def mailed_session(self, event: str) -> str:
        """Signs a guest in with a mailed link; empty where there is no development inbox."""
        address = f"{uuid.uuid4().hex}@example.net"
        self.session_rsvp = self.send("POST", f"/v1/events/{event}/rsvps", {"name": "Bo", "email": address, "response": "going"})["id"]
        self.send("POST", "/v1/guest-links", {"email": address})
        for _ in range(40):
            inbox = requests.get(f"{URL}/inbox/messages", params={"to": address}, timeout=30)
            if not inbox.ok:
                return ""
            for item in inbox.json()["items"]:
                raw = requests.get(f"{URL}/inbox/messages/{item['id']}.eml", timeout=30).content
                text = message_from_bytes(raw, policy=policy.default).get_body(("plain",)).get_content()
                link = re.search(r"/me\?token=([\w.-]+)", text)
                if link:
                    return self.send("POST", "/v1/guest-sessions", {"token": link[1]})["session_token"]
            time.sleep(0.5)
        return ""

    def event(self, **more) -> dict:
        return {"organization_id": self.org, "title": "Lanterns", "starts_at": ahead(30), "ends_at": ahead(30, 3), **more}

    def sign_in(self) -> str:
        self.bearer = ""
        self.bearer = self.send("POST", "/v1/auth/login", {k: self.account[k] for k in ("email", "password")})["access_token"]
        return self.bearer

    def send(self, method: str, path: str, body=None) -> dict:
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        if getattr(self, "bearer", ""):
            headers["Authorization"] = f"Bearer {self.bearer}"
        res = requests.request(method, URL + path, json=body, headers=headers, timeout=30)
        if not res.ok:
            raise RuntimeError(f"{method} {path}: {res.status_code} {res.text}")
        return res.json()

    def keep(self, kind: str, value: str) -> None:
        with self.lock:
            known = self.ids.setdefault(kind, [])
            known.append(value)
            del known[:-40]

    def learn(self, operation: str, answer: dict) -> None:
        kind = {"createEvent": "event", "duplicateEvent": "event", "submitRSVP": "rsvp", "addWebhook": "webhook", "announce": "announcement"}.get(operation)
        if kind:
            self.keep(kind, answer["id"])
        if operation == "submitRSVP":
            self.guests[answer["id"]] = answer["manage_token"]
        if operation == "repeatEvent":
            self.keep("series", answer["series_id"])


world = World()


def operation_id(case) -> str:
    return case.operation.definition.raw.get("operationId", "")


@schemathesis.auth(refresh_interval=300)
class Tokens:
    def get(self, case, ctx):
        return world.sign_in()

    def set(self, case, data, ctx):
        schemes = {name for one in case.operation.definition.raw.get("security", []) for name in one}
        case.headers = case.headers or {}
        if "operator" in schemes:
            case.headers["Authorization"] = f"Bearer {OPS_TOKEN}"
        elif "member" in schemes:
            case.headers["Authorization"] = f"Bearer {data}"
        elif "guest" in schemes:
            holder = (case.path_parameters or {}).get("id")
            token = world.guests.get(holder) or world.session or next(iter(world.guests.values()))
            case.headers["Authorization"] = f"Guest {token}"


KINDS = [
    (re.compile(r"^/v1/rsvps/{id}"), "id", "rsvp"),
    (re.compile(r"^/v1/events/{id}"), "id", "event"),
    (re.compile(r"^/v1/series/{id}"), "id", "series"),
    (re.compile(r"{org}"), "org", "org"),
    (re.compile(r"{rsvp}"), "rsvp", "rsvp"),
    (re.compile(r"{webhook}"), "webhook", "webhook"),
    (re.compile(r"{announcement}"), "announcement", "announcement"),
]


def exists(path: str, parameters: dict) -> None:
    for pattern, name, kind in KINDS:
        known = world.ids.get(kind, [])
        if name in parameters and known and pattern.search(path) and parameters[name] not in known:
            parameters[name] = random.choice(known)


def whole(value):
    """JSON Schema takes 2.0 for a whole number; Turnout wants it written as 2."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {k: whole(v) for k, v in value.items()}
    if isinstance(value, list):
        return [whole(v) for v in value]
    return value


def seen(value):
    """A text of blanks and format characters only says nothing, and Turnout says so."""
    if isinstance(value, str) and value and all(unicodedata.category(c) in ("Cf", "Zs", "Zl", "Zp") for c in value):
        return "x"
    if isinstance(value, dict):
        return {k: seen(v) for k, v in value.items()}
    if isinstance(value, list):
        return [seen(v) for v in value]
    return value


def worded(body: dict) -> None:
    """Says something in one line: how phrases and their placeholders are written is no matter of the schema."""
    body["subject"] = "Hello"
    body.pop("variants", None)
    for name in ("intro", "body"):
        if isinstance(body.get(name), str):
            body[name] = "Bring a lamp."
    if "name" in body:
        body["name"] = "Spring"
    if body.get("starts_at"):
        body["starts_at"] = ahead(1)
    if isinstance(body.get("segment"), dict):
        body["segment"].pop("party_min", None)  # not more than party_max
    if isinstance(body.get("guest"), dict):
        body["guest"].update(name="Ada", time_zone=random.choice(ZONES))


def plausible(body, operation: str) -> None:
    """Says of an event or of a guest what could be true."""
    if not isinstance(body, dict):
        return
    if len(str(body.get("password", "")).encode()) > 256:  # the bound is of bytes
        body["password"] = "x" * 256
    if isinstance(body.get("capacity"), int):
        body["capacity"] = min(body["capacity"], 1000)
    if isinstance(body.get("party_size"), int):
        body["party_size"] = min(body["party_size"], 10)
    if body.get("time_zone"):
        body["time_zone"] = random.choice(ZONES)
    if body.get("locale"):
        body["locale"] = random.choice(["de", "en-GB", "pt-BR"])
    if isinstance(body.get("email"), str):
        body["email"] = f"{uuid.uuid4().hex}@example.net"
    if operation in ("createEvent", "duplicateEvent", "editEvent"):
        body.update(starts_at=ahead(random.randint(1, 300)), ends_at=ahead(301))
        for name in ("rsvp_opens_at", "rsvp_closes_at", "online_url", "price_range", "venue", "reminders", "offer_ttl", "questions"):
            body.pop(name, None)
        body.pop("organization_id", None)
        body.pop("external_id", None)
        if operation == "createEvent":
            body.update(organization_id=world.org, external_id=uuid.uuid4().hex)
    elif operation in ("exportPersonal", "erasePersonal"):  # a member asks
        body.update(organization_id=world.org, email=f"{uuid.uuid4().hex}@example.net")
    elif "organization_id" in body:
        body["organization_id"] = world.org
    if operation == "repeatEvent":
        body["rrule"] = f"FREQ=WEEKLY;COUNT={random.randint(2, 4)}"
    if operation in ("submitRSVP", "changeRSVP"):
        body.pop("answers", None)  # these events ask nothing
    if operation == "addWebhook":
        body["url"] = "https://example.com/hook"
    if operation in ("putTemplate", "previewTemplate", "testTemplate", "addCampaign", "previewCampaign"):
        worded(body)
    if operation == "addDevice":
        body.update(endpoint=f"https://push.example.com/{uuid.uuid4().hex}", keys=DEVICE, rsvp_id=world.session_rsvp)
    if operation == "redeliver":
        body.clear()
        body["since"] = ahead(-1)
    if operation in ("checkIn", "undoCheckIn", "mergeCheckIns"):
        for entry in body.get("entries", [body]):
            if entry.get("at"):
                entry["at"] = ahead(0)
            if operation == "undoCheckIn":
                continue
            entry.pop("ticket", None)
            entry["rsvp_id"] = random.choice(world.ids["rsvp"])
            if operation == "checkIn":
                entry.pop("undo", None)


def asked(query: dict) -> None:
    for name, values in {
        "time_zone": ZONES,
        "near": ["47.37,8.54"],
        "bbox": ["5.9,45.8,10.5,47.8", "170,-50,-170,50"],
        "from": ["2026-01-01"],
        "to": ["2040-01-01T00:00:00Z"],
    }.items():
        if name in query:
            query[name] = random.choice(values)
    for name in ("cursor", "after"):  # made up, they belong to no answer
        query.pop(name, None)
    if "radius" in query or query.get("sort") == "distance":
        query["near"] = "47.37,8.54"
    if "organization_id" in query:
        query["organization_id"] = world.org
    if isinstance(query.get("tag"), list):
        query["tag"] = [tag for tag in query["tag"] if isinstance(tag, str) and tag.strip()] or ["music"]
    query.pop("token", None)


@schemathesis.hook
def before_call(context, case, **kwargs):
    meta = case.meta
    if meta is None:
        return
    operation = operation_id(case)
    if case.path_parameters and not meta.is_negative_at(ParameterLocation.PATH):
        exists(case.operation.path, case.path_parameters)
    if not meta.is_negative_at(ParameterLocation.BODY):
        if isinstance(case.body, (dict, list)):  # to set what is not there would count as a mistake
            case.body = seen(whole(case.body))
        if operation == "setCover" and not meta.generation.mode.is_negative:
            case.body = png()
        elif operation in ("exportPersonal", "erasePersonal") and not isinstance(case.body, dict):
            case.body = {}
        plausible(case.body, operation)
    if case.query and not meta.is_negative_at(ParameterLocation.QUERY):
        asked(case.query)
    if operation == "listDevices" and not meta.is_negative_at(ParameterLocation.QUERY):  # a session has many answers
        case.query = {**(case.query or {}), "rsvp_id": world.session_rsvp}
    for name, value in list((case.headers or {}).items()):
        if isinstance(value, str):  # net/http answers control characters itself, before any handler
            case.headers[name] = re.sub(r"[\x00-\x1f\x7f]", "\xff", value)
    if case.headers and not meta.is_negative_at(ParameterLocation.HEADER):
        for name in ("If-Match", "If-None-Match", "Turnout-Min-Version"):  # versions that nobody was given
            case.headers.pop(name, None)
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = uuid.uuid4().hex


@schemathesis.hook
def after_call(context, case, response):
    if 200 <= response.status_code < 300 and "json" in (response.headers.get("content-type") or [""])[0]:
        answer = response.json()
        if isinstance(answer, dict):
            world.learn(operation_id(case), answer)
