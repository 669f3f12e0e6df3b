import type { Connect } from './client';

/** The browser's WebSocket to the center that served this page. */
export function webSocketTo(location: Location): Connect {
  const address = `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/v1`;
  return (events) => {
    const socket = new WebSocket(address);
    socket.onopen = () => events.open();
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (typeof event.data === 'string') events.message(event.data);
    };
    socket.onclose = (event) => events.closed(event.code);
    return {
      send: (text) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(text);
      },
      close: () => socket.close(),
    };
  };
}
