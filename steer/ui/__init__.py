"""One page for everything: ``steer ui`` (extra ``serve``).

The page is plain HTML, CSS and JavaScript in ``page/``, without a build step. It asks the server beside it: runs by
``/v1/runs``, all else by the routes below ``/ui``, each of which is a class in a file here.
"""
