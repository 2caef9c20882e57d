--- What operators noted about the run when it was over.
local html = require "moonpulse.report.html"
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

--- The section; "" where nothing was noted.
---@param manifest table
---@return string
function M.section(manifest)
  local rows, notes = {}, record.get(manifest, "notes")
  for _, note in ipairs(type(notes) == "table" and notes or {}) do
    if type(note) == "table" then
      rows[#rows + 1] = { text.value(note.at), text.value(note.who), text.value(note.text) }
    end
  end
  return rows[1] and html.section("notes", "Notes of the operator",
    { html.grid("Noted after the run", { "When", "Who", "Note" }, rows) }) or ""
end

return M
