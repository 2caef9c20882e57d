--- report.html against the page that the record makes.
local edited = require "moonpulse.safety.edited"
local findings_of = require "moonpulse.verify.findings"
local core = require "moonpulse.core"
local lfs = require "lfs"
local pages = require "moonpulse.report.page"
local read = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"
local versions = require "moonpulse.verify.version"

local M = {}

local name = "report.html"
local most_report = 64000000
local before_name, most_name = "Moonpulse run report · ", 1000
local most_table = 16000000 -- bytes of events.tsv: a page of a million pulses takes longer than all the rest

--- What whoever wrote the report may have known of edits: nothing, or what a later line of the journal says.
local function known_by(lines)
  local list = { false }
  for _, line in ipairs(lines) do
    local entry = line.entry or {}
    if entry.kind == "recovered" or entry.kind == "report" then
      list[2] = edited.unsealed
      local names = edited.counted(type(entry.differed) == "table" and entry.differed or {})
      list[#list + 1] = names[1] and table.concat(names, ", ") or nil
    end
  end
  return list
end

--- The page with the folder's name as the report has it: a folder may be renamed.
local function under_name(page, own, report)
  local first, last = page:find(before_name .. text.escape(own), 1, true)
  local theirs = report:match(before_name .. "([^<\n]*)")
  if not first or not theirs or #theirs > most_name then
    return page
  end
  return page:sub(1, first - 1) .. before_name .. theirs .. page:sub(last + 1)
end

--- How the report differs from each page that it might be; nil: it is one of them.
local function difference(folder, manifest, events, report, lines)
  local own, page = folder:match("([^/]+)/*$") or folder, nil
  for _, known in ipairs(known_by(lines)) do
    local made = under_name(pages.build(manifest, events, own, known or nil), own,
      report)
    page = page or made
    if made == report then
      return nil
    end
  end
  local found = findings_of.new()
  found:compare(name, report, page, "the record makes")
  return found
end

--- Check it.
---@param folder string
---@param manifest table
---@param lines moonpulse.ChainLine[] the journal
---@param table_text string events.tsv
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, lines, table_text, findings)
  local path, what = folder .. "/" .. name, "report.html against the record"
  if lfs.symlinkattributes(path, "mode") ~= "file" then
    return findings:note("there is no report.html: moonpulse recover writes it from the record")
  elseif #table_text > most_table then
    return findings:note("report.html was not compared with the page that the record makes: its table is too "
      .. "long for that")
  end
  local report, message = core.read_file(path, most_report)
  local events = report and read.parse(table_text, "events.tsv")
  if not events then
    return findings:leave(what, message or "events.tsv cannot be read", "make it anew from the record")
  end
  local ok, found = pcall(difference, folder, manifest, events, report, lines)
  local other = versions.other(manifest)
  if not ok then
    findings:leave(what, "the page cannot be made: " .. tostring(found), "look into the record yourself")
  elseif not found then
    findings:check("report.html is the page that the record makes")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  else
    local each = found.differs[1]
    findings:differ(name, each and each.line, "it is not the page that the record makes")
  end
end

return M
