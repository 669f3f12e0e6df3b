import type { Bilingual } from '../protocol/messages';
import { catalogue, type Language, type MessageKey } from './messages';

/** `?lang=en`; Vietnamese otherwise. Fixed for the life of a page. */
export const language: Language =
  typeof location !== 'undefined' && new URLSearchParams(location.search).get('lang') === 'en' ? 'en' : 'vi';

/** The address of another page in this page's language, or in the one given. */
export function linkTo(path: string, inLanguage: Language = language): string {
  return inLanguage === 'en' ? `${path}?lang=en` : path;
}

export function say(key: MessageKey): string {
  return catalogue[language][key];
}

/** A text of center's in this page's language; the other one rather than nothing. */
export function told(text: Bilingual | null | undefined): string {
  if (!text) return '';
  return text[language] || text.vi || text.en;
}

/** Ward names without their kind: "Phường Sài Gòn" → "Sài Gòn". */
export function placeName(name: Bilingual | null | undefined): string {
  const whole = told(name);
  return whole.replace(/^(Phường|Xã|Đặc khu|Thị trấn) /u, '').replace(/ (Ward|Commune|Special Zone)$/u, '');
}
