// Keeps the door's page on the device, so that it opens without a network. It answers pages and files of the door and
// nothing else: what the page asks the API for is never kept here. SHELL stands before this (web/door.go).
const FILES = "turnout-door-files", PAGES = "turnout-door-pages";
const patience = 3000; // milliseconds for a page that is also here

self.addEventListener("install", (e) => e.waitUntil(install()));
self.addEventListener("activate", (e) => e.waitUntil(activate()));
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (e.request.method !== "GET" || url.origin !== self.location.origin) return;
  if (e.request.mode === "navigate" && /^\/door\/[0-9a-f-]{36}$/.test(url.pathname)) e.respondWith(page(e.request, url.pathname));
  else if (url.pathname.startsWith("/static/")) e.respondWith(file(e.request, url));
});

async function install() {
  const files = await caches.open(FILES);
  await files.addAll(SHELL.map((path) => new Request(path, { cache: "no-cache" })));
  await self.skipWaiting();
}

// A new version brings the kept pages up to it, and then lets the old files go.
async function activate() {
  await self.clients.claim();
  const [pages, files] = [await caches.open(PAGES), await caches.open(FILES)];
  await Promise.all((await pages.keys()).map(async (r) => {
    const fresh = await fetch(r.url).catch(() => null);
    if (fresh && fresh.ok && !fresh.redirected) await pages.put(r, fresh);
  }));
  for (const r of await files.keys()) {
    const url = new URL(r.url);
    if (!SHELL.includes(url.pathname + url.search)) await files.delete(r);
  }
}

async function page(request, path) {
  const pages = await caches.open(PAGES);
  const kept = await pages.match(path);
  try {
    const res = await (kept ? within(fetch(request), patience) : fetch(request));
    if (res.ok && !res.redirected) await pages.put(path, res.clone());
    else if (res.status === 403 || res.status === 404) await pages.delete(path); // not, or no longer, this member's
    if (res.status < 500 || !kept) return res;
  } catch (problem) {
    if (!kept) throw problem;
  }
  return kept;
}

// Files with a version never change; the others are asked for first.
async function file(request, url) {
  const files = await caches.open(FILES);
  const kept = await files.match(request);
  if (kept && url.search) return kept;
  try {
    return await (kept ? within(fetch(request), patience) : fetch(request));
  } catch (problem) {
    const any = kept || (await files.match(request, { ignoreSearch: true })); // a page of before this version
    if (!any) throw problem;
    return any;
  }
}

function within(promise, ms) {
  return Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error("too slow")), ms))]);
}
