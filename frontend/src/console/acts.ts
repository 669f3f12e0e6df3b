import type { Role } from '../access/identity.svelte';
import type { Alert } from '../protocol/messages';

/** Who sits here, as far as acts ask. */
export interface Hand {
  principal: { name: string } | null;
  covers: (role: Role) => boolean;
  mayActOn: (alert: Alert) => boolean;
}

export interface Acts {
  silence: boolean;
  acknowledge: boolean;
  accept: boolean;
  release: boolean;
  assign: boolean;
  comment: boolean;
  shelve: boolean;
  /** For longer than eight hours, and out of service. */
  withhold: boolean;
}

/** The acts that center would take from them now; it decides again, and says why not. */
export function actsOn(alert: Alert, hand: Hand): Acts {
  const may = hand.mayActOn(alert);
  const lasting = alert.state === 'unacknowledged' || alert.state === 'acknowledged';
  const unseen = alert.state === 'unacknowledged' || alert.state === 'returned_unacknowledged';
  const chief = may && hand.covers('supervisor');
  return {
    silence: may && unseen,
    acknowledge: may && unseen,
    accept: may && lasting && alert.accepted_at === null,
    release: may && lasting && alert.owner !== null && (chief || alert.owner === hand.principal?.name),
    assign: chief && lasting,
    comment: may,
    shelve: may && (lasting || alert.state === 'returned_unacknowledged'),
    withhold: chief,
  };
}
