"""Sends through the simulator with wechatpy, unchanged but for where its two hosts are.

Reads one JSON object from standard input, writes one to standard output.
"""

import json
import sys

from requests.adapters import HTTPAdapter
from wechatpy import WeChatClient
from wechatpy.enterprise import WeChatClient as EnterpriseClient
from wechatpy.exceptions import WeChatClientException


class Elsewhere(HTTPAdapter):
    """Carries requests for one host to another, as a proxy in front of it would."""

    def __init__(self, real, local):
        super().__init__()
        self.real, self.local = real, local

    def send(self, request, **kwargs):
        request.url = request.url.replace(self.real, self.local, 1)
        return super().send(request, **kwargs)


def moved(client, real, local):
    client._http.mount(real, Elsewhere(real, local))
    client._http.trust_env = False
    return client


def refused(call):
    try:
        call()
    except WeChatClientException as error:
        return error.errcode
    return 0


def main():
    ask = json.load(sys.stdin)
    oa = moved(WeChatClient(ask["appid"], ask["secret"]), "https://api.weixin.qq.com", ask["oa"])
    corp = moved(
        EnterpriseClient(ask["corpid"], ask["corp_secret"]), "https://qyapi.weixin.qq.com", ask["wecom"]
    )
    alert = (ask["openid"], ask["template"], ask["data"])
    said = {}
    said["template"] = oa.message.send_template(*alert, url="https://tocsin.example/")
    said["token_held"] = oa.access_token == oa.access_token
    said["templates"] = [one["template_id"] for one in oa.template.get_all_private_template()["template_list"]]
    said["followers"] = list(oa.user.iter_followers())
    said["follower"] = oa.user.get(ask["openid"])
    said["qrcode"] = oa.qrcode.create(
        {"expire_seconds": 600, "action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "bind_py"}}}
    )
    said["custom_refused"] = refused(lambda: oa.message.send_text(ask["openid"], "你好"))
    said["stranger_refused"] = refused(lambda: oa.message.send_template("nobody", *alert[1:]))
    said["text"] = corp.message.send_text(ask["agentid"], ["ZhangSan", "Nobody"], "你好 from wechatpy")
    said["markdown"] = corp.message.send_markdown(ask["agentid"], "lisi", "# 标题")
    said["members"] = corp.user.list(2, simple=True)
    # Both tokens end now; wechatpy must find out by the answer and fetch others.
    oa._http.post(ask["expire"])
    said["template_again"] = oa.message.send_template(*alert)
    said["text_again"] = corp.message.send_text(ask["agentid"], "lisi", "again")
    json.dump(said, sys.stdout, ensure_ascii=False)


main()
