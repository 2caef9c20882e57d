--- A protocol's run in virtual time, played again: the same plan through the same driver and the same
--- simulator gives the same rows, or one of them was changed.
local core = require "moonpulse.core"
local decisions = require "moonpulse.compare.decisions"
local findings_of = require "moonpulse.verify.findings"
local late_marks = require "moonpulse.verify.late_marks"
local lfs = require "lfs"
local plain_files = require "moonpulse.text.plain_file"
local pulses = require "moonpulse.verify.pulses"
local read = require "moonpulse.record.read"
local rows = require "moonpulse.verify.rows"
local versions = require "moonpulse.verify.version"
local witnessed = require "moonpulse.record.witnessed"

local M = {}

local most_table = 2000000000
local part_bytes = 1 << 16

local function is_real(manifest)
  return manifest.speed == nil or manifest.speed == 1
end

--- Of a run that somebody stopped, the rows until a second before: nobody can stop it again at that instant.
---@param text string of events.tsv
---@return integer lines
function M.until_stop(text)
  local ends, number, upto = nil, 0, 0
  for onset in text:gmatch("\n(%-?%d+%.?%d*)\t") do
    ends = math.max(ends or -math.huge, tonumber(onset))
  end
  for onset in text:gmatch("\n(%-?%d+%.?%d*)\t") do
    number = number + 1
    if tonumber(onset) < (ends or 0) - 1 then
      upto = number + 1
    end
  end
  return upto
end

--- Do two files have the same bytes? Their hashes would say so too, and take four times as long.
local function is_same(path, other)
  local one <close> = plain_files.open(path)
  local two <close> = io.open(other, "rb")
  local part
  repeat
    part = one and one:read(part_bytes)
    if not two or two:read(part_bytes) ~= part then
      return false
    end
  until not part
  return one ~= nil
end

--- Compare a table of the folder with the one that was made by playing it again.
---@param folder string
---@param made string the folder of that
---@param name "events.tsv"|"twin.tsv"|"codes.tsv"
---@param findings moonpulse.VerifyFindings
---@param stopped boolean somebody stopped the run: only events.tsv, until a second before
---@param alike (fun(line: string): string)? what of a line is compared; nil: all
---@param late moonpulse.LateMarks? of an experiment that did not come to its own end
---@return boolean same
function M.compare(folder, made, name, findings, stopped, alike, late)
  local path = folder .. "/" .. name
  if not lfs.symlinkattributes(path, "mode") or name ~= "events.tsv" and (stopped or witnessed.cut(folder))
    or lfs.symlinkattributes(path, "mode") == "file" and is_same(path, made .. "/" .. name) then
    return true
  end
  local text = name == "events.tsv" and rows.read(folder, findings) or core.read_file(path, most_table)
  local again, numbers = core.read_file(made .. "/" .. name, most_table), nil
  if late and name == "events.tsv" then
    text, numbers = late_marks.without(text or "", late.ours)
    again = late_marks.without(again or "", late.theirs)
  end
  return findings:compare(name, text or "", again or "", "played again it is", alike,
    stopped and M.until_stop(text or "") or nil, numbers)
end

--- What is made again of a run in virtual time.
---@param manifest table
---@return string[] names of files in its folder
function M.names_of(manifest)
  local names = { "events.tsv", "codes.tsv" }
  return table.move(rows.of_devices(manifest, "twin.tsv"), 1, 8, #names + 1, names)
end

--- Compare the rows of the run with those that were made again.
---@param folder string
---@param manifest table
---@param made moonpulse.MadeAgain
---@param findings moonpulse.VerifyFindings
function M.check(folder, manifest, made, findings)
  local what = "events.tsv against the plan played again"
  if made.why or made.play_why then
    return findings:leave(what, made.why or made.play_why, made.remedy)
  end
  local stopped = M.was_stopped(manifest)
  local other = versions.other(manifest)
  local found = other and findings_of.new() or findings
  local in_real_time, before = is_real(manifest), #found.differs
  local same = true
  if in_real_time and not pulses.are_same(folder .. "/events.tsv", made.path .. "/again/events.tsv") then
    local text = rows.read(folder, found)
    pulses.compare(text or "", core.read_file(made.path .. "/again/events.tsv", most_table) or "", {
      whole = manifest.status == "completed", what = "the plan made again has",
      since = function() return 0 end,
      same_device = read.get(manifest, "device.own_simulator") == true }, found)
    same = #found.differs == before
  end
  for _, name in ipairs(in_real_time and {} or M.names_of(manifest)) do
    same = M.compare(folder, made.path .. "/again", name, found, stopped) and same
  end
  if same and in_real_time then
    findings:check("the pulses of events.tsv are those of the plan")
  elseif same then
    findings:check("%s what the plan gives when it is played again%s", (stopped or witnessed.cut(folder))
      and "events.tsv is"
      or "events.tsv and twin.tsv are", stopped and " (until a second before it was stopped or killed)" or "")
  elseif other then
    versions.leave(findings, what, other, found.differs)
  end
end

--- Did somebody stop the run, or kill it? Nobody can do that again at that instant.
---@param manifest table
---@return boolean
function M.was_stopped(manifest)
  return manifest.status == "interrupted" or decisions.from_outside(read.get(manifest, "result.stop"))
end

return M
