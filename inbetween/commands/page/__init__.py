"""`report.html`: one file that shows what a command found, and needs neither network nor program.

`document` fills the page, `pictures` encodes what is shown in it within a budget, and `assets/` holds the
page's template, style and scripts.
"""

from inbetween.commands.page.document import command_line, document, provenance, write_page
from inbetween.commands.page.pictures import Album, error_levels, smaller

__all__ = ["Album", "command_line", "document", "error_levels", "provenance", "smaller", "write_page"]
