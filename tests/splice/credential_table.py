"""What Jupyter, a hub and the proxies in front of them send to log somebody in, and what a learner's client sends."""

SECRET = "s3cr3t"

# By who sends them, names of headers whose value is ``SECRET``, as the documentation of each program has them; of
# GAP-Signature and the subprotocols below, the sources of oauth2-proxy and JEP 121.
HEADERS = {
    "Jupyter": ["Authorization", "X-XSRFToken", "X-CSRFToken", "X-Csrf-Token"],
    "JupyterHub": ["X-JupyterHub-Token", "X-JupyterHub-Xsrf", "X-JupyterHub-User", "X-Service-Token"],
    "HTTP": ["Proxy-Authorization", "DPoP", "Signature", "Signature-Input", "Cookie2"],
    "oauth2-proxy": [
        "X-Forwarded-Access-Token", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups",
        "X-Forwarded-Preferred-Username", "X-Auth-Request-Access-Token", "X-Auth-Request-User", "X-Auth-Request-Email",
        "X-Auth-Request-Groups", "X-Auth-Request-Preferred-Username", "GAP-Auth", "GAP-Signature",
    ],
    "nginx": ["X-Access-Token", "X-Api-Key", "X-Original-Authorization", "X-SSL-Client-Cert", "SSL-Client-Cert"],
    "Traefik": [
        "X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info", "X-WebAuth-User",
        "X-Forwarded-Authorization",
    ],
    "Envoy": ["X-Forwarded-Client-Cert"],
    "Authelia": ["Remote-User", "Remote-Groups", "Remote-Email", "Remote-Name"],
    "authentik": ["X-authentik-username", "X-authentik-email", "X-authentik-jwt", "X-authentik-uid"],
    "Pomerium": ["X-Pomerium-Jwt-Assertion", "X-Pomerium-Claim-Email", "X-Pomerium-Authorization"],
    "Vouch": ["X-Vouch-User", "X-Vouch-IdP-AccessToken", "X-Vouch-IdP-IdToken"],
    "Shibboleth": ["Shib-Session-ID", "X-Shib-Identity-Provider"],
    "mod_auth_openidc": ["OIDC_access_token", "OIDC_CLAIM_email"],
    "Cloudflare": ["Cf-Access-Jwt-Assertion", "Cf-Access-Client-Secret", "Cf-Access-Authenticated-User-Email"],
    "AWS": ["X-Amzn-Oidc-Data", "X-Amzn-Oidc-Accesstoken", "X-Amzn-Oidc-Identity", "X-Amz-Security-Token"],
    "Google": ["X-Goog-IAP-JWT-Assertion", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"],
    "Azure": ["X-MS-TOKEN-AAD-ACCESS-TOKEN", "X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-NAME", "X-ARR-ClientCert"],
}  # fmt: skip

# Headers of which a part is the credential: what is sent, and what is left of it; None is nothing at all.
PARTS: list[tuple[str, str, str | None]] = [
    ("Referer", f"http://a/lab?token={SECRET}", "http://a/lab"),
    ("Referer", f"http://a/lab?room=1&token={SECRET}&b=%20", "http://a/lab?room=1&b=%20"),
    ("Referer", f"http://a/lab?%74oken={SECRET}&_xsrf={SECRET}", "http://a/lab"),
    ("X-Original-URI", f"/user/ann/wslab/?token={SECRET}", "/user/ann/wslab/"),
    ("X-Original-URL", f"https://a/user/ann/?x=1&token={SECRET}", "https://a/user/ann/?x=1"),
    ("X-Forwarded-Uri", f"/?token={SECRET}", "/"),
    ("X-Rewrite-URL", f"/?_xsrf={SECRET}&a", "/?a"),
    ("X-Envoy-Original-Path", f"/?token={SECRET}", "/"),
    ("Sec-WebSocket-Protocol", f"v1.token.websocket.jupyter.org, v1.token.websocket.jupyter.org.{SECRET}", None),
    ("Sec-WebSocket-Protocol", f"chat, v1.token.websocket.jupyter.org.{SECRET},echo", "chat, echo"),
    ("Sec-WebSocket-Protocol", f"base64url.bearer.authorization.k8s.io.{SECRET}, chat", "chat"),
    *[
        ("Cookie", f"colour=red; {name}={SECRET}; session=ada", "colour=red; session=ada")
        for name in [
            "_xsrf", "username-127-0-0-1", "username-hub-example-8888", "jupyterhub-session-id", "jupyterhub-hub-login",
            "jupyterhub-user-ann", "jupyterhub-user-ann-oauth-state", "service-nbgrader", "__Host-_xsrf",
            "_oauth2_proxy", "_oauth2_proxy_0", "__Secure-oauth2_proxy", "_forward_auth", "_forward_auth_csrf_4d1",
            "authelia_session", "authentik_proxy_1a2b", "_pomerium", "_pomerium_csrf", "VouchCookie",
            "_shibsession_64656661", "mod_auth_openidc_session", "CF_Authorization", "CF_AppSession",
            "AWSELBAuthSessionCookie-0", "GCP_IAP_UID", "GCP_IAAP_AUTH_TOKEN_1", "AppServiceAuthSession",
            "VouchCookie_1of2", "KEYCLOAK_SESSION", "KC_RESTART", "csrftoken",
        ]
    ],
]  # fmt: skip

# What passes as it is.
ORDINARY = {
    "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol": "chat.v2,  chat.v1",
    "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits", "Origin": "https://hub.example",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Accept": "*/*", "Accept-Language": "en-GB,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br", "Cache-Control": "no-cache", "Pragma": "no-cache",
    "Sec-Fetch-Dest": "websocket", "Sec-Fetch-Mode": "websocket", "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Storage-Access": "active", "Sec-CH-UA": '"Chromium";v="130", "Not?A_Brand";v="99"',
    "Sec-CH-UA-Mobile": "?0", "Sec-CH-UA-Platform": '"Linux"', "DNT": "1", "Sec-GPC": "1", "Priority": "u=4, i",
    "Referer": "https://hub.example/user/ann/lab?room=1#token=x",
    "Cookie": "session=ada; theme=dark; old_session=1; my_cookie=2; author=ann",
    "X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "hub.example", "X-Forwarded-Proto": "https,http",
    "X-Forwarded-Port": "443,8000", "X-Real-IP": "192.0.2.1", "X-Request-ID": "1", "X-Scheme": "https",
    "Forwarded": "for=192.0.2.1;proto=https", "Via": "1.1 hub", "Traceparent": "00-0af7-b7ad-01", "X-Room": "a?b&c",
    "X-Author": "ann", "X-Username-Colour": "red", "X-Keyboard": "de", "X-Question": "why?",
}  # fmt: skip
