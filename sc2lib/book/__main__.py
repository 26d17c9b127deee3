"""Draw the picture in the README again: ``python -m sc2lib.book``, after the table of contents has changed."""

from sc2lib.book import landing, picture
from sc2lib.book.assembly import stages
from sc2lib.files import write_text
from sc2lib.workflow.project import root

write_text(
    root() / "book" / "_static" / "pipeline.svg", picture.draw(landing.boxes(stages(root()), {}), standalone=True)
)
