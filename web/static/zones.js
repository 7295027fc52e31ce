// Offers the names of the time zones that the browser knows, and in a form without one the zone that it is in: the name
// stands in the field for everybody to see and to change.
{
  const field = document.querySelector("[name=time_zone]"), list = document.getElementById("zones");
  if (field && list && Intl.supportedValuesOf) {
    list.append(...Intl.supportedValuesOf("timeZone").map((zone) => Object.assign(document.createElement("option"), { value: zone })));
  }
  if (field && !field.value) field.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
}
