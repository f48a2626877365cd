"""The code of the article that the course follows, "WebSockets Explained", letter for letter: a page and a server.

One thing is corrected: the article prints the end tag of the page's script as ``</ script>``, which is no end tag
(HTML: the tag's name follows ``</`` at once), so a browser would take the rest of the page for script and run none.
"""

from typing import Final

PORT: Final = 1234  # the port that the article's page connects to and its server listens on

# The script of the article's page, as it runs in a browser.
CLIENT_SCRIPT: Final = """\
const clientSocket = new WebSocket('ws://localhost:1234');
// Fired when a connection with a WebSocket is opened
clientSocket.onopen = event => {
clientSocket.send('Hello server!')
};
// Fired when data is received through a WebSocket
clientSocket.onmessage = event => {
console.log(`Server: ${event.data}`);
};
"""

# The article's page, with the end tag of its script corrected.
CLIENT_PAGE: Final = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<meta http-equiv="X-UA-Compatible" content="IE=edge">
<meta name="viewport" content="width=device-width, initial-scale=1.0">
<title>Document</title>
</head>
<body>
<script>
{CLIENT_SCRIPT}</script>
</body>
</html>
"""

# The article's server, for Node with the npm package ``ws``.
SERVER_SCRIPT: Final = """\
const http = require('http');
const ws = require('ws');
// Creates an HTTP server
const server = http.createServer();
// Create a websocket server using the provided HTTP server
const webSocketServer = new ws.Server({ server });
/*
* 'connection' event is emitted when the handshake is complete.
* The serverSocket is the socket connection that can be
* used to communicate with the connected entity.
*/
webSocketServer.on('connection', serverSocket => {
// Send data to the connected client
serverSocket.send('Hello client!');
// Fired when a message is received.
serverSocket.on('message', function message(data) {
console.log(`Client: ${data}`);
});
});
server.listen(1234);
"""
