"""An image server in which ``user`` decides the taste (extra ``serve``).

``service`` holds the models and the queue, ``app`` the routes of all dialects. Another page is served beside them by
giving ``create_app`` its router.
"""
