"""What the two-enterprise matrix (tests/test_isolation.py) needs to know about each app.

Every app has a module here, named like its label, with

``build(world)``
    puts one row of everything the app has into ``world.rows["noun"]``, all in
    ``world.enterprise``, with ``world.mark`` in every name that a page could show. Apps are built
    in the order of ``tests.isolation.APPS``, so the rows of the apps below are there already.

``API: dict[route name, dict[method, Call]]``
    one ``Call`` for every method of every route under /api/v1/ (names as in the app's api/urls.py,
    methods in lower case). ``Call(row="noun")`` fills ``pk`` in the URL; ``body`` makes the JSON
    body **of an allowed call** from a world, taking the ids it refers to from that world and from
    nowhere else; ``answers`` are the statuses that the allowed call may get.

``ADMIN: dict["app.model", "noun" | None]``
    for every model in the admin, the row whose pages are walked (None: the list only).

``ADMIN_URLS: dict[name, Call]`` (optional)
    one ``Call`` for every admin URL beyond Django's own: ``row`` fills ``object_id``, ``body`` is
    the form data of an allowed POST.

A route, method, admin page or admin URL without an entry fails the test, and so does an entry
without its route.
"""
