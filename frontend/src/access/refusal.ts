import { language, say } from '../text/language';
import type { MessageKey } from '../text/messages';
import type { Refusal } from './answer';

/** Reasons that the page can say in the reader's language; for the others center's own sentence has to do. */
const KNOWN: Record<string, MessageKey> = {
  no_answer: 'refusedNoAnswer',
  unavailable: 'refusedNoAnswer',
  wrong_credentials: 'refusedWrongCredentials',
  wrong_password: 'refusedWrongPassword',
  busy: 'refusedBusy',
  too_many_requests: 'refusedTooMany',
  https_required: 'refusedInsecure',
  sign_in_required: 'refusedSignIn',
  not_allowed: 'refusedNotAllowed',
  out_of_scope: 'refusedOutOfScope',
  unknown_code: 'refusedUnknownCode',
  name_taken: 'refusedNameTaken',
  last_admin: 'refusedLastAdmin',
  not_local: 'refusedNotLocal',
  not_a_member: 'refusedNotMember',
  refused: 'refusedByProvider',
  bad_answer: 'refusedByProvider',
  disabled: 'refusedDisabled',
};

/** Why something was not done, as a sentence for the person who asked. */
export function sentenceOf({ code, sentence }: Pick<Refusal, 'code' | 'sentence'>): string {
  if (code === 'unsuitable_password' && language === 'vi') return say('refusedUnsuitable');
  const key = KNOWN[code];
  return key === undefined ? sentence || say('failed') : say(key);
}
