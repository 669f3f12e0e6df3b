/** The palette. Colour means abnormal and nothing else; every pair of meanings stays apart under colour blindness. */
export const palette = {
  ground: '#1b1e22',
  panel: '#24282d',
  edge: '#343a41',
  ink: '#e6e8ea',
  second: '#a9b0b7',
  normal: '#8a939b',
  zone: '#2a2f35',
  sea: '#15181b',
  border: '#59626b',
  mark: '#111315',
  warning: '#ffd24a',
  critical: '#ff6152',
  emergency: '#e879f9',
} as const;

/** Zone fills under an alert: the severity's colour laid thinly over the ground. */
export const zoneFill = { '': palette.zone, warning: '#4a3f1e', critical: '#552825', emergency: '#4a2452' } as const;
