import type { Bilingual } from '../protocol/messages';

/** The operating stage, as GET /api/v1/stage tells it. */
export interface StageNow {
  level: number;
  name: Bilingual;
  since: string | null;
  steps: { level: number; at: string; by: string; why: string }[];
}
