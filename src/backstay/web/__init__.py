"""What stands between HTTP and the rest of backstay.

`backstay.web.auth` decides and knows no framework, `backstay.web.asgi` wraps any ASGI application, and
`backstay.web.fastapi`, `backstay.web.starlette` and `backstay.web.litestar` say the same in each framework's words.
"""
