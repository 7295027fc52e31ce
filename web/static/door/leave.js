// Somebody has signed out on this device: it forgets the lists of the door. What was not sent stays, and is sent when a
// member opens that door again.
DoorStore.leave(false).catch(() => {});
if ("caches" in window) caches.delete("turnout-door-pages");
