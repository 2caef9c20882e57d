--- Turns a finished run folder into one HTML file that opens offline.
local core = require "moonpulse.core"
local edited = require "moonpulse.safety.edited"
local page = require "moonpulse.report.page"
local record = require "moonpulse.record.read"

local M = {}

local most_report = 64000000

-- Written beside and renamed, so that a reader never meets half a report.
local function replace(path, content)
  local temporary = path .. ".part"
  local file, err = core.create_file(temporary)
  if not file then
    return nil, string.format("%s: cannot be written: %s", path, err)
  end
  local ok, why = file:write(content)
  local closed, close_why = file:close()
  if ok and closed then
    ok, why = os.rename(temporary, path)
  end
  if not (ok and closed) then
    os.remove(temporary)
    return nil, string.format("%s: cannot be written: %s", path, why or close_why)
  end
  return path
end

--- The text of a report, for a manifest that may not be written yet.
---@return string? text
---@return string? message
local function text_of(folder, manifest, changed)
  local events, problem = record.events(folder .. "/events.tsv")
  if not events then
    return nil, string.format("report: no events to read (%s); 'moonpulse recover' rebuilds them "
      .. "from the raw record", problem)
  end
  return page.build(manifest, events, folder:match("[^/]+$") or folder, changed)
end

local function without_slash(folder)
  return #folder > 1 and folder:gsub("/+$", "") or folder
end

--- Write `report.html` into a run folder.
---@param run_folder string holds manifest.json and events.tsv
---@param changed string? what of the record was edited, as edited.look has it
---@return string? path of the report
---@return string? message why there is none
function M.write(run_folder, changed)
  local folder = without_slash(run_folder)
  local manifest, why = record.manifest(folder .. "/manifest.json")
  if not manifest then
    return nil, string.format("report: no manifest to read (%s); name the folder of a run", why)
  end
  local text, problem = text_of(folder, manifest, changed)
  if not text then
    return nil, problem
  end
  return replace(folder .. "/report.html", text)
end

--- The page of a whole record with a manifest that is about to be written: where the page that is there says
--- that the record had no seal when it was written, this one goes on saying so.
---@param run_folder string
---@return fun(manifest: table): string?, string?
function M.page(run_folder)
  local folder = without_slash(run_folder)
  return function(manifest)
    local before = core.read_file(folder .. "/report.html", most_report) or ""
    local said = before:find(">NOT SEALED<", 1, true) -- a text of the record has no <
    return text_of(folder, manifest, said and edited.unsealed or nil)
  end
end

--- As write, for who may change or seal the record before the report is written: whether it was edited is
--- looked up now.
---@param run_folder string
---@return fun(folder: string): string?, string?
function M.writer(run_folder)
  local manifest = record.manifest(run_folder .. "/manifest.json")
  local what = manifest and edited.look(run_folder, manifest)
  return function(folder)
    return M.write(folder, what)
  end
end

return M
