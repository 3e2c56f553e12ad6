from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    default = False
    default_site = "scrm.desk.site.DeskSite"
