// Somebody has signed in on this device: it forgets the door's lists of whoever had before.
DoorStore.others().catch(() => {});
