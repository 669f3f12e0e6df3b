import { say } from '../text/language';
import type { Role } from './identity.svelte';

const ROLE_WORDS = { viewer: 'roleViewer', operator: 'roleOperator', supervisor: 'roleSupervisor', admin: 'roleAdmin' } as const;

export function roleName(role: Role | null): string {
  return role === null ? '' : say(ROLE_WORDS[role]);
}
