"""What Jupyter, a hub and the proxies in front of them send to log somebody in, and what a learner's client sends."""

SECRET = "s3cr3t"

# By who sends them, names of headers whose value is ``SECRET``, as the documentation of each program has them; of
# GAP-Signature and the subprotocols below, the sources of oauth2-proxy and JEP 121.
HEADERS = {
    "Jupyter": ["Authorization", "X-XSRFToken", "X-CSRFToken", "X-Csrf-Token"],
    "Tailscale": ["Tailscale-User-Login", "Tailscale-User-Name", "Tailscale-User-Profile-Pic"],
    "Kong": ["X-Consumer-Username", "X-Consumer-Custom-ID", "X-Credential-Identifier", "X-Authenticated-Userid"],
    "SiteMinder": ["SM_USER", "SM-USER", "SM_SERVERSESSIONID", "SMSESSION"],
    "WebSEAL": ["iv-user", "iv-groups", "iv-creds"],
    "Oracle": ["OAM_REMOTE_USER"],
    "Kubernetes": ["X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes", "Impersonate-User"],
    "mod_auth_mellon": ["MELLON_NAME_ID", "MellonUser"],
    "mod_auth_cas": ["CAS-User", "CAS_USER"],
    "CGI": ["REMOTE_USER", "Remote_User", "HTTP_REMOTE_USER", "AUTH_USER", "SSL_CLIENT_S_DN"],
    "somebody": [
        "Authentication", "X-Authentication", "X-Auth", "X-Authz", "X-User", "X-Username", "X-User-Id", "X-UserInfo",
        "X-Email", "X-Groups", "X-Roles", "X-Session-Id", "X-Client-DN", "X-Client-Verify", "X_API_KEY", "X-Passwd",
        "X-Sso-User", "X-ProxyUser", "X-Authenticated-Groups", "X-Principal", "X-Identity", "X_Forwarded_User",
    ],
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
    "Google APIs": ["X-Endpoint-API-UserInfo", "X-Apigateway-Api-Userinfo", "X-Serverless-Authorization"],
    "Azure APIs": ["X-ZUMO-AUTH", "X-Functions-Key", "Ocp-Apim-Subscription-Key"],
    "Google": ["X-Goog-IAP-JWT-Assertion", "X-Goog-Authenticated-User-Email", "X-Goog-Authenticated-User-Id"],
    "Azure": ["X-MS-TOKEN-AAD-ACCESS-TOKEN", "X-MS-CLIENT-PRINCIPAL", "X-MS-CLIENT-PRINCIPAL-NAME", "X-ARR-ClientCert"],
}  # fmt: skip

# Headers of which a part is the credential: what is sent, and what is left of it; None is nothing at all.
PARTS: list[tuple[str, str, str | None]] = [
    ("Referer", f"http://a/lab?token={SECRET}", "http://a/lab"),
    ("Referer", f"http://a/lab?room=1&token={SECRET}&b=%20", "http://a/lab?room=1&b=%20"),
    ("Referer", f"http://a/lab?%74oken={SECRET}&_xsrf={SECRET}", "http://a/lab"),
    ("Referer", f"http://ann:{SECRET}@a/lab", "http://a/lab"),
    ("Referer", f"http://{SECRET}@a/lab?x=@b", "http://a/lab?x=@b"),
    ("Origin", f"https://ann:{SECRET}@a", "https://a"),
    ("X-Original-URL", f"//ann:{SECRET}@a/?x", "//a/?x"),
    ("Referer", f"http://a/hub/login?next=%2Fuser%2Fann%2Flab%3Ftoken%3D{SECRET}&x", "http://a/hub/login?x"),
    ("Referer", f"http://a/hub/login?next=%252Flab%253Fa%253D1%2526token%253D{SECRET}", "http://a/hub/login"),
    ("Referer", f"http://a/hub/login?next=/lab?token={SECRET}", "http://a/hub/login"),
    ("Referer", f"http://a/hub/oauth_callback?code={SECRET}&state={SECRET}", "http://a/hub/oauth_callback"),
    ("Referer", f"http://a/lab?access_token={SECRET}&id_token={SECRET}", "http://a/lab"),
    ("Referer", f"http://a/lab?ticket={SECRET}&room=1", "http://a/lab?room=1"),
    ("Referer", f"http://a/lab?SAMLResponse={SECRET}", "http://a/lab"),
    ("Referer", f"http://a/lab?X-Amz-Signature={SECRET}&api_key={SECRET}&Password={SECRET}", "http://a/lab"),
    ("Referer", f"http://a/lab?b;token={SECRET}&c&amp;token={SECRET}", "http://a/lab?c"),
    ("Referer", f"http://a/lab?%2574oken={SECRET}&TOKEN={SECRET}& token={SECRET}", "http://a/lab"),
    ("X-Original-Request", f"GET /lab?token={SECRET} HTTP/1.1", "GET /lab"),
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
            "VouchCookie_1of2", "KEYCLOAK_SESSION", "KC_RESTART", "csrftoken", "AUTH_SESSION_ID", "kc-access",
            "KEYCLOAK_IDENTITY", "traefik-forward-auth", "auth_tkt", "auth-session", "sso_session", "SMSESSION",
            "SMIDENTITY", "ObSSOCookie", "OAMAuthnCookie_x", "iPlanetDirectoryPro", "PD-S-SESSION-ID", "lemonldap",
            "mellon-cookie", "MOD_AUTH_CAS_S", "CASTGC", "TGC", "shib_idp_session", "MSISAuth", "FedAuth1",
            ".ASPXAUTH", ".AspNetCore.Cookies", "ESTSAUTH", "CF_Session", "AWSALBAuthNonce", "ory_kratos_session",
            "StaticWebAppsAuthCookie", "okta-session", "LtpaToken2", "persist-auth", "id_token", "ADMIN_PASSWORD",
            '"_xsrf"', " _xsrf ", "__Host-jupyterhub-session-id", "jupyterhub-services", "sessionid",
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
    "Sec-Fetch-User": "?1", "Upgrade-Insecure-Requests": "1", "X-Requested-With": "x", "X-Remote-Addr": "192.0.2.1",
    "X-Client-Data": "CIa2yQ==", "X-Original-Path": "/a?from=//b/c@d&statement=1", "X-Userland": "1",
    "X-Login-Count": "1", "X-Authority": "a",
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
