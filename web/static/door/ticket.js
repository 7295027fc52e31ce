// Tickets: what the QR code says (internal/token/ticket.go), and whether it was signed here.
const DoorTicket = (() => {
  const BODY = 36, SIGNATURE = 64;
  const SIGNS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

  // bytes reads base64url without padding; null for anything else.
  function bytes(text) {
    const out = new Uint8Array(Math.floor((text.length * 6) / 8));
    let held = 0, bits = 0, n = 0;
    for (const sign of text) {
      const value = SIGNS.indexOf(sign);
      if (value < 0) return null;
      held = ((held << 6) | value) & 0xffff;
      bits += 6;
      if (bits >= 8) {
        bits -= 8;
        out[n++] = (held >> bits) & 0xff;
      }
    }
    return held & ((1 << bits) - 1) ? null : out; // strict: one text per ticket
  }

  function uuid(raw) {
    const hex = [...raw].map((b) => b.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  // looks tells whether a text is meant as a ticket, rather than a name.
  function looks(text) {
    return /^[A-Za-z0-9_-]{100,200}$/.test(text.trim());
  }

  // read gives what a ticket says, unverified; null when it is none.
  function read(text) {
    const raw = looks(text) ? bytes(text.trim()) : null;
    if (!raw || raw.length !== BODY + SIGNATURE) return null;
    return {
      text: text.trim(), event: uuid(raw.slice(0, 16)), rsvp: uuid(raw.slice(16, 32)),
      epoch: raw[32] * 256 + raw[33], party: raw[34] * 256 + raw[35],
      body: raw.slice(0, BODY), signature: raw.slice(BODY),
    };
  }

  // genuine is whether one of the keys has signed the ticket; null where the browser knows no Ed25519, or the page came
  // without HTTPS.
  async function genuine(ticket, keys) {
    if (typeof crypto === "undefined" || !crypto.subtle || keys.length === 0) return null;
    try {
      for (const key of keys) {
        const imported = await crypto.subtle.importKey("raw", bytes(key), { name: "Ed25519" }, false, ["verify"]);
        if (await crypto.subtle.verify({ name: "Ed25519" }, imported, ticket.signature, ticket.body)) return true;
      }
      return false;
    } catch {
      return null;
    }
  }

  return { bytes, looks, read, genuine };
})();
