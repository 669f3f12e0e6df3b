import { say } from '../text/language';

const KINDS = [
  'raised',
  'escalated',
  'eased',
  'cleared',
  'superseded',
  'silenced',
  'acknowledged',
  'accepted',
  'released',
  'assigned',
  'commented',
  'shelved',
  'unshelved',
  'suppressed',
  'unsuppressed',
  'taken_out_of_service',
  'returned_to_service',
] as const;

/** What a transition of an alert is called; a kind that this page does not know by its own word. */
export function kindWord(kind: string): string {
  const known = KINDS.find((one) => one === kind);
  return known === undefined ? kind : say(`kind_${known}`);
}
