// Shows what the notifier pushes (notifier/push/payload.go). It caches no
// pages: without the network there is nothing here.
const PAGES = "turnout-push-pages"; // where a tap on a device's notifications leads: kept here, never sent

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (e) => e.waitUntil(self.clients.claim()));

self.addEventListener("push", (e) => e.waitUntil(show(e.data)));

async function show(data) {
  let push;
  try {
    push = data.json();
  } catch {
    return; // not one of ours
  }
  // The newest with a tag takes the place of the one before. One that comes
  // twice (the notifier died before it could note the first) makes no sound.
  const before = await self.registration.getNotifications({ tag: push.tag });
  const twice = before.some((n) => n.data && n.data.id === push.id);
  await self.registration.showNotification(push.title, {
    body: push.body, lang: push.lang, tag: push.tag, renotify: !twice, timestamp: push.at, icon: "/static/icon.svg",
    data: { id: push.id, device: push.device, page: push.page },
  });
}

self.addEventListener("notificationclick", (e) => {
  e.notification.close();
  e.waitUntil(open(e.notification.data || {}));
});

async function open(data) {
  const kept = data.device && (await (await caches.open(PAGES)).match(`/push-page/${data.device}`));
  const url = new URL(kept ? await kept.text() : data.page || "/", self.location.origin);
  if (url.origin !== self.location.origin) return;
  const windows = await self.clients.matchAll({ type: "window" });
  const there = windows.find((w) => w.url === url.href);
  await (there ? there.focus() : self.clients.openWindow(url.href));
}
