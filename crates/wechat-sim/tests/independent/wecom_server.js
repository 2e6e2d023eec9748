// An application built on @wecom/crypto: proves its address, opens what is pushed, replies encrypted.
//
// Arguments: folder of node_modules, token, EncodingAESKey, receive id. Writes its address, then one line of JSON for
// each push.

const http = require('node:http');
const path = require('node:path');

const [folder, token, key, receiver] = process.argv.slice(2);
const { getSignature, decrypt, encrypt } = require(path.join(folder, '@wecom', 'crypto'));

const say = (value) => console.log(JSON.stringify(value));
const update =
  '<xml><MsgType><![CDATA[update_button]]></MsgType><Button><ReplaceName><![CDATA[已由 Node 确认]]></ReplaceName></Button></xml>';

function open(query, sealed) {
  const expected = getSignature(token, query.get('timestamp'), query.get('nonce'), sealed);
  if (expected !== query.get('msg_signature')) throw new Error('signature');
  const { message, id } = decrypt(key, sealed);
  if (id !== receiver) throw new Error(`receive id ${id}`);
  return message;
}

const server = http.createServer(async (request, response) => {
  const query = new URL(request.url, 'http://localhost').searchParams;
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString('utf8');
  try {
    if (request.method === 'GET') {
      response.end(open(query, query.get('echostr')));
      return;
    }
    const message = open(query, /<Encrypt><!\[CDATA\[(.*?)\]\]><\/Encrypt>/.exec(body)[1]);
    say({ message });
    const sealed = encrypt(key, update, receiver);
    const [timestamp, nonce] = [query.get('timestamp'), query.get('nonce')];
    const signature = getSignature(token, timestamp, nonce, sealed);
    response.end(
      `<xml><Encrypt><![CDATA[${sealed}]]></Encrypt><MsgSignature><![CDATA[${signature}]]></MsgSignature>` +
        `<TimeStamp>${timestamp}</TimeStamp><Nonce><![CDATA[${nonce}]]></Nonce></xml>`,
    );
  } catch (error) {
    say({ error: String(error) });
    response.statusCode = 400;
    response.end();
  }
});

server.listen(0, '127.0.0.1', () => say(`http://127.0.0.1:${server.address().port}/callback`));
