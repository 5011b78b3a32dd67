// HTTP dates (RFC 9110 5.6.7): the three formats a recipient must accept, and nothing else, because an invalid Expires
// means "already expired" (RFC 9111 5.3) and an engine's own Date.parse would rescue most of them.

// RFC 9111 4.2: a recipient matches the names of days and months, and GMT, without regard to case.
const IMF_FIXDATE = /^(?:mon|tue|wed|thu|fri|sat|sun), (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt$/i;
const RFC_850 = /^(?:mon|tues|wednes|thurs|fri|satur|sun)day, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt$/i;
const ASCTIME = /^(?:mon|tue|wed|thu|fri|sat|sun) ([a-z]{3}) ((?: |\d)\d) (\d\d):(\d\d):(\d\d) (\d{4})$/i;

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';

/**
 * Milliseconds since the epoch, or undefined when `text` is no HTTP date. `reference` is the time (ms) by which the
 * two-digit years of RFC 850 are read.
 */
export function parseHttpDate(text: string, reference: number): number | undefined {
  const value = text.trim();
  const imf = IMF_FIXDATE.exec(value);
  if (imf) return instant(Number(imf[3]), imf[2]!, imf[1]!, imf[4]!, imf[5]!, imf[6]!);
  const asctime = ASCTIME.exec(value);
  if (asctime) return instant(Number(asctime[6]), asctime[1]!, asctime[2]!, asctime[3]!, asctime[4]!, asctime[5]!);
  const rfc850 = RFC_850.exec(value);
  if (rfc850) {
    return instant(fullYear(Number(rfc850[3]), reference), rfc850[2]!, rfc850[1]!, rfc850[4]!, rfc850[5]!, rfc850[6]!);
  }
  return undefined;
}

/** RFC 9110 5.6.7: a date that appears more than 50 years ahead lies in the past, with the same last two digits. */
function fullYear(twoDigits: number, reference: number): number {
  const referenceYear = new Date(reference).getUTCFullYear();
  const year = referenceYear - (referenceYear % 100) + twoDigits;
  return year > referenceYear + 50 ? year - 100 : year;
}

/** The instant that the parts name, or undefined when there is none such. */
function instant(
  year: number,
  monthName: string,
  day: string,
  hour: string,
  minute: string,
  second: string,
): number | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase()) / 3;
  if (month < 0 || !Number.isInteger(month)) return undefined;
  // A leap second (60) is valid and counts as the next second.
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  const midnight = new Date(Date.UTC(year, month, Number(day)));
  // Date.UTC reads the years 0 to 99 as 19xx and rolls 31 February over: neither is the date that was written.
  if (midnight.getUTCFullYear() !== year || midnight.getUTCDate() !== Number(day)) return undefined;
  return midnight.getTime() + ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000;
}
