import type { Alert, Bilingual } from '../protocol/messages';
import type { Shelf, Window } from './hidden';

export interface Shift {
  id: string;
  position: string;
  person: string;
  began_at: string;
  ended_at: string | null;
}

export interface Note {
  id: number;
  at: string;
  by: string;
  about: 'city' | 'alert' | 'incident' | 'asset';
  object: string | null;
  text: string;
  pinned: boolean;
}

/** What whoever comes must know, as GET /api/v1/handover tells it. */
export interface Handover {
  at: string;
  stage: number;
  stage_since: string | null;
  on: Shift[];
  unacknowledged: Alert[];
  acknowledged: Alert[];
  hidden: Alert[];
  shelves: Shelf[];
  maintenance: Window[];
  incidents: { id: string; short: Bilingual; severity: string; alerts: number; reports: number; opened_at: string }[];
  notes: Note[];
}
