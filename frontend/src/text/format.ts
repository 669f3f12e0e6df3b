import { language, say } from './language';

/** U+00A0: a number and its unit never part at the end of a line. */
export const NBSP = '\u00a0';

/** Where the city is, until center has said it. */
export const HOME_TIMEZONE = 'Asia/Ho_Chi_Minh';

const locale = language === 'vi' ? 'vi-VN' : 'en-GB';
const numbers = new Map<number, Intl.NumberFormat>();
const clocks = new Map<string, Intl.DateTimeFormat>();

/** A number with exactly `decimals` places, in the page's language. */
export function number(value: number, decimals: number): string {
  let format = numbers.get(decimals);
  if (format === undefined) {
    format = new Intl.NumberFormat(locale, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    numbers.set(decimals, format);
  }
  return format.format(value);
}

/** How many decimal places a number has, two at most. */
export function places(value: number): number {
  return [0, 1].find((p) => Math.abs(value * 10 ** p - Math.round(value * 10 ** p)) < 1e-9) ?? 2;
}

/** With as many places as the number itself has: where no catalogue entry says how many. */
export function plain(value: number): string {
  return number(value, places(value));
}

/** A figure and its unit as they fit on a wall: from ten thousand on in thousands, from a million in millions. */
export function figure(value: number, decimals: number, unit: string): { text: string; unit: string } {
  const size = Math.abs(value);
  if (size >= 999_950) return { text: number(value / 1e6, 2), unit: `${say('million')} ${unit}`.trim() };
  if (size >= 10_000) return { text: number(value / 1e3, 1), unit: `${say('thousand')} ${unit}`.trim() };
  return { text: number(value, decimals), unit };
}

export function withUnit(text: string, unit: string): string {
  return unit === '' ? text : `${text}${NBSP}${unit}`;
}

/** How old a datum is: "2 s", "14 ph", "3 h", "5 ngày". Never negative. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}${NBSP}${say('second')}`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${NBSP}${say('minute')}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${NBSP}${say('hour')}`;
  return `${Math.floor(hours / 24)}${NBSP}${say('day')}`;
}

/** How long something lasts, to the second while that matters: "3:12", "1:04:09", then "2 ngày". */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  if (hours >= 48) return age(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

/** Wall-clock time in the city's own zone, whatever the screen's computer is set to. */
export function clock(ms: number, timezone: string, seconds: boolean): string {
  const key = `${timezone} ${seconds}`;
  let format = clocks.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
      ...(seconds ? { second: '2-digit' } : {}),
    });
    clocks.set(key, format);
  }
  return format.format(ms);
}

let cityTimezone = HOME_TIMEZONE;

/** Center has said where the city is; every `moment` from now on is in that zone. */
export function cityIsIn(timezone: string): void {
  cityTimezone = timezone;
}

/** Day and time of an instant (RFC 3339) in the city's zone; a dash for none. */
export function moment(at: string | null, seconds = false, timezone = cityTimezone): string {
  if (at === null) return '–';
  const ms = Date.parse(at);
  return `${day(timezone).format(ms)} ${clock(ms, timezone, seconds)}`;
}

function day(timezone: string): Intl.DateTimeFormat {
  const key = `${timezone} day`;
  let format = clocks.get(key);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', { timeZone: timezone, day: '2-digit', month: '2-digit', year: 'numeric' });
    clocks.set(key, format);
  }
  return format;
}
