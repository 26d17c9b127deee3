"""What is planted to measure the search for secrets: formats, lines and decoys, as data.

Two sources, so that the rules are not judged by their author's examples alone. `TOKENS`, `NAMED` and `LINES` are the
formats that the services document. `PEER_LINES` are the lines that the plugins of detect-secrets 1.5 look for, in the
shapes of its own tests (github.com/Yelp/detect-secrets, tests/plugins): only the shapes, every value is drawn anew. In
a template ``[hex 40]`` stands for 40 random hexadecimal digits, and a line's secret stands between « and ».
"""

# Tokens that say by themselves what they are: the format that each service documents.
TOKENS = {
    "Anthropic": "sk-ant-api03-[url 93]AA",
    "Artifactory": "AKC[any 70]",
    "AWS access key": "AKIA[base32 16]",
    "Azure storage": "DefaultEndpointsProtocol=https;AccountName=store;AccountKey=[base64 86]==",
    "Databricks": "dapi[hex 32]",
    "DigitalOcean": "dop_v1_[hex 64]",
    "Docker Hub": "dckr_pat_[url 27]",
    "GitHub": "ghp_[any 36]",
    "GitHub fine-grained": "github_pat_[any 22]_[any 59]",
    "GitLab": "glpat-[url 20]",
    "Google API": "AIza[url 35]",
    "Grafana": "glsa_[any 32]_[hex 8]",
    "Hugging Face": "hf_[letter 34]",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJ[any 60].[url 43]",
    "Mailchimp": "[hex 32]-us[digit 1]",
    "npm": "npm_[any 36]",
    "OpenAI": "sk-[any 20]T3BlbkFJ[any 20]",
    "PyPI": "pypi-AgEIcHlwaS5vcmc[url 120]",
    "SendGrid": "SG.[url 22].[url 43]",
    "Slack": "xoxb-[digit 12]-[digit 12]-[any 24]",
    "Square": "sq0csp-[url 43]",
    "Stripe": "sk_live_[any 24]",
    "Telegram": "[digit 10]:AA[url 33]",
}
# Values that only the name beside them gives away.
NAMED = {
    "API key": ("service_api_key", "[any 32]"),
    "AWS secret key": ("aws_secret_access_key", "[base64 40]"),
    "client secret": ("client_secret", "[hex 40]"),
    "secret key": ("secret_key", "[url 42]q7"),
    "auth token": ("auth_token", "[any 24]"),
    "IBM COS secret": ("cos_hmac_secret_access_key", "[hex 48]"),
    "Twilio": ("twilio_sid", "AC[hex 32]"),
    "password, random": ("db_password", "[any 7][symbol 1][digit 2]"),
    "password, word and number": ("password", "monkey[digit 4][symbol 1]"),
    "password, letters only": ("password", "[letter 9]"),
}
# Lines whose form gives the secret away.
LINES = {
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\n«{pem}»\n-----END RSA PRIVATE KEY-----",),
    "password in a URL": ('url = "postgres://app:«[any 8][digit 2]»@db.internal/app"',),
    "password in a command": (
        "mysql -u root -p«[any 7][symbol 1][digit 2]» shop",
        "sshpass -p «[any 8][digit 2]» ssh me@host",
        "curl -u admin:«[any 8][digit 2]» https://host.internal/",
        "report --user me --password=«[any 8][digit 2]» --all",
        "docker run -e MYSQL_ROOT_PASSWORD=«[any 7][symbol 1][digit 2]» mysql:8",
    ),
    "password in a connection string": (
        'connect("Server=db;User Id=sa;Password=«[any 8][digit 2]»;Database=x")',
        'url = "jdbc:mysql://db/shop?user=app&password=«[any 8][digit 2]»"',
    ),
    "password, word and number without quotes": (
        "password: «monkey[digit 3]»",
        "DB_PASSWORD=«dragon[digit 3]»",
        "db.password = «sunshine[digit 2]»",
    ),
    "bearer token": ("curl -H 'Authorization: Bearer «[any 40]»' https://api.internal/",),
}
# What the plugins of detect-secrets look for, beyond the formats above.
PEER_LINES = {
    "Artifactory password": ('artifactory: "«AP[digit 1][any 30]»"', "password=«APB[any 33]»"),
    "AWS temporary key id": ('aws_id = "«ASIA[base32 16]»"',),
    "AWS secret key, colon": ("aws_secret_access_key: '«[base64 40]»'", 'aws_key := "«[base64 40]»"'),
    "basic authentication, letters only": ("https://username:«[letter 12]»@host.example.net",),
    "Cloudant password": ('cloudant_password = "«[hex 64]»"', "cloudant_pw='«[hex 64]»'"),
    "Cloudant key": ('cloudant_key = "«[lower 24]»"',),
    "Cloudant URL": ("https://shop-bluemix:«[hex 64]»@shop-bluemix.cloudant.com/_api/v2/",),
    "Discord": ('client.run("«M[any 23].[url 6].[url 27]»")', "«N[any 23].[url 6].[url 27]»"),
    "GitLab, other tokens": ("«gldt-[url 20]»", "feed: «glft-[any 20]»", "«glsoat-[url 20]»", 'x = "«glrt-[url 20]»"'),
    "GitLab, pipelines": ("«glptt-[hex 40]»", "«glcbt-64_[url 20]»", "«GR1348941[url 20]»", "«glagent-[any 50]»"),
    "GitLab application secret": ("«gloas-[hex 64]»",),
    "IBM Cloud key": (
        '"iam_api_key" : "«[url 42]q7»"',
        "ibm-cloud_api_key: «[url 42]q7»",
        "IBMCLOUDIAMAPIKEY=«[url 42]q7»",
    ),
    "IBM Cloud password": ("ibm-cloud-pwd = «[url 42]q7»", '"iam-password": "«[url 42]q7»"'),
    "npm, old token": ("//registry.npmjs.org/:_authToken=«[hex 8]-[hex 4]-[hex 4]-[hex 4]-[hex 12]»",),
    "OpenAI project key": ('key = "«sk-proj-[any 40]T3BlbkFJ[any 20]»"',),
    "PyPI test token": ("password: «pypi-AgENdGVzdC5weXBpLm9yZw[url 100]»",),
    "Slack, old tokens": (
        "«xoxp-[digit 6]-[digit 6]-[digit 6]-[hex 18]»",
        "«xoxa-2-[digit 9]-[digit 11]-[digit 13]-[hex 18]»",
    ),
    "Slack bot, short": ("«xoxb-[digit 8]-[hex 18]»",),
    "Slack webhook": ("https://hooks.slack.com/services/«T[plate 8]/B[plate 8]/[any 24]»",),
    "SoftLayer key": ('--softlayer-api-key "«[hex 64]»"', "sl_api_key: «[hex 64]»", "SLAPIKEY=«[hex 64]»"),
    "SoftLayer URL": ("http://api.softlayer.com/soap/v3.1/«[hex 64]»",),
    "Stripe restricted key": ('stripe.api_key = "«rk_live_[any 24]»"',),
    "Telegram URL": ("https://api.telegram.org/bot«[digit 9]:[url 35]»/getMe",),
    "Twilio, bare": ('client = Client("«SK[hex 32]»")', "see «AC[hex 32]» for access"),
    "JSON web token, unsigned": ("«eyJhbGciOiJub25lIn0.eyJ[any 60].»",),
    "private key, OpenSSH": ("-----BEGIN OPENSSH PRIVATE KEY-----\n«{pem}»\n-----END OPENSSH PRIVATE KEY-----",),
    "private key, EC": ("-----BEGIN EC PRIVATE KEY-----\n«{pem}»\n-----END EC PRIVATE KEY-----",),
    "private key, PGP": ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n«{pem}»\n-----END PGP PRIVATE KEY BLOCK-----",),
    "private key, PuTTY": ("PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 12\n«{pem}»\nPrivate-MAC: [hex 40]",),
    "keyword, Go": ('apikey := "«[any 12][symbol 1][any 8]»"', "apikey:='«[any 12][symbol 2][any 8]»'"),
    "keyword, colon": ('"theapikey": "«[any 9][symbol 2][any 9]»"', "apikey: '«[any 9][symbol 2][any 9]»'"),
    "keyword, Objective-C": ('apikey = @"«[any 10][symbol 1][any 8]»"', 'NSString *secret = @"«[any 20]»";'),
    "keyword, C": ('char password[25] = "«[any 7][symbol 1][digit 2]»";', 'secret[] = "«[any 24]»";'),
    "keyword, C++": ('std::string secret("«[any 24]»");', 'db_password.assign("«[any 7][symbol 1][digit 2]»", 10);'),
    "keyword, dictionary": ('some_dict["secret"] = "«[any 11][symbol 1][any 9]»"',),
    "keyword, comparison": (
        'if password == "«[any 7][symbol 1][digit 2]»":',
        'if ("«[any 7][symbol 1][digit 2]»" === my_password) {',
    ),
    "keyword, arrow": ("'db_pass' => '«[any 7][symbol 1][digit 2]»',",),
    "keyword, semicolon": ('private_key "«[any 12][symbol 1][any 12]»";', "apikey '«[any 24]»';"),
    "keyword, other names": ('service_key = "«[any 24]»"', 'db_key = "«[any 24]»"', 'account_key = "«[any 24]»"'),
    "keyword, pass phrases": ('key_pass = "«[any 7][symbol 1][digit 2]»"', 'database_pass: "«[any 10][digit 2]»"'),
    "keyword, Spanish": ('contraseña = "«[any 7][symbol 1][digit 2]»"', 'contrasena: "«[any 10][digit 2]»"'),
}

DECOYS = (
    'sha256 = "[hex 64]"',
    'integrity = "sha512-[base64 86]=="',
    'commit = "[hex 40]"',
    "etag: [hex 32]",
    'request_id = "[hex 8]-[hex 4]-[hex 4]-[hex 4]-[hex 12]"',
    "password = os.environ['DB_PASSWORD_[digit 1]']",
    'api_key = "YOUR_API_KEY_[digit 2]"',
    'password = "changeme"',
    "token: ${CI_JOB_TOKEN_[digit 1]}",
    'tokenizer = "Qwen[digit 1]TokenizerFast"',
    'secret_name = "projects/app-[digit 3]/secrets/database"',
    'token_url = "https://auth.example.com/oauth[digit 1]/token"',
    'background: url("data:image/png;base64,[base64 120]");',
    'access_key_field = "first_of_[digit 1]_columns_in_row"',
    "https://host.example.com:80[digit 2]/@scope/package",
    'password_label = "Enter password [digit 1]"',
    "-----BEGIN CERTIFICATE-----[base64 60]-----END CERTIFICATE-----",
    'session_key = "sess:{user}:[digit 3]"',
    "mysql -u root -p shop[digit 1] < dump.sql",
    "report --password PASSWORD[digit 1] --all",
    "curl -u user:password[digit 1] https://host.internal/",
    "password = sha[digit 3]",
)
