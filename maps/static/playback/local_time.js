// Instants (ms since 1970) to the sector's wall clock as a date-time field writes it, and back.

export class LocalTime {
  constructor(timeZone) {
    const parts = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit",
      minute: "2-digit", second: "2-digit" };
    this.format = new Intl.DateTimeFormat("en-GB", { ...parts, hourCycle: "h23", timeZone });
  }

  // "2026-03-15T00:00:00"
  write(instant) {
    const at = Object.fromEntries(this.format.formatToParts(instant).map(({ type, value }) => [type, value]));
    return `${at.year}-${at.month}-${at.day}T${at.hour}:${at.minute}:${at.second}`;
  }

  // NaN: the field is empty. An hour that a change of clocks skips is read as the one after it.
  read(text) {
    const asUtc = Date.parse(`${text}${text.length === 16 ? ":00" : ""}Z`);
    if (Number.isNaN(asUtc)) return NaN;
    const ahead = (instant) => Date.parse(`${this.write(instant)}Z`) - Math.floor(instant / 1000) * 1000;
    return asUtc - ahead(asUtc - ahead(asUtc));
  }
}
