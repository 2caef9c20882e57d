--- What a run's folder is, for records that other programs read: its files with their hashes, what of them
--- went in and what came out, and when. Nothing of it is run.
local cjson = require "cjson"
local edited = require "moonpulse.safety.edited"
local lfs = require "lfs"
local opened = require "moonpulse.record.opened"
local plain_files = require "moonpulse.text.plain_file"
local read = require "moonpulse.record.read"
local seals = require "moonpulse.record.seal"
local sha256 = require "moonpulse.text.sha256"

local M = {}

--- What each file is: a sentence, its media type, and whether it went in or came out.
local known = {
  ["manifest.json"] = { "What was given, to whom (a code), with which stimulator, and how it ended",
    "application/json", "out" },
  ["recover.json"] = { "What moonpulse recover needs beside flight.bin", "application/json", "out" },
  ["journal.jsonl"] = { "What was played and what the operator did, a line each, chained by hashes",
    "application/jsonl", "out" },
  ["events.tsv"] = { "Every pulse and event of the run, a row each", "text/tab-separated-values", "out" },
  ["events.json"] = { "What the columns of events.tsv mean", "application/json", "out" },
  ["flight.bin"] = { "What the sending thread stored as it sent", "application/octet-stream", "out" },
  ["twin.tsv"] = { "What the simulator received and gave", "text/tab-separated-values", "out" },
  ["resolved.plan"] = { "The plan that was played", "text/plain", "in" },
  ["report.html"] = { "The run as a page", "text/html", "out" },
  ["streams.xdf"] = { "Markers, pulses and event codes of the run as streams", "application/octet-stream",
    "out" },
  ["verify.sh"] = { "Checks the folder with sha256sum and awk", "text/x-shellscript", "tool" },
  ["SHA256SUMS"] = { "The seal: a hash of each file", "text/plain", "out" },
  ["SHA256SUMS.sig"] = { "The signature of the seal", "text/plain", "out" },
}

local types = { lua = "text/x-lua", json = "application/json", plan = "text/plain",
  tsv = "text/tab-separated-values",
  txt = "text/plain" }

---@class moonpulse.RunFile
---@field name string in the folder
---@field sha256 string
---@field size integer bytes
---@field what string
---@field type string media type
---@field way "in"|"out"|"tool"

--- A file of the run.
local function file_of(folder, name, role)
  local digits, message = sha256.of_file(folder .. "/" .. name)
  if not digits then
    return nil, message
  end
  local words = known[name]
    or name:find("^sources/") and { "Read by the run: " .. (role or "source"), types[name:match("%.(%w+)$")
      or ""]
      or "application/octet-stream", "in" }
    or { "Lay in the run's folder", types[name:match("%.(%w+)$") or ""] or "application/octet-stream", "out" }
  return { name = name, sha256 = digits, size = lfs.attributes(folder .. "/" .. name, "size"),
    what = words[1],
    type = words[2], way = words[3] }
end

local function files_of(folder, manifest)
  local found, message = seals.list(folder)
  if not found then
    return nil, message
  end
  local roles, list, left_out = {}, {}, {}
  for _, each in ipairs(type(manifest.files) == "table" and manifest.files or {}) do
    roles[type(each) == "table" and each.file or ""] = type(each) == "table" and tostring(each.role)
  end
  for _, name in ipairs { seals.name, seals.signature } do
    found[#found + 1] = lfs.symlinkattributes(folder .. "/" .. name, "mode") and { name = name,
      is_file = not plain_files.instead(folder .. "/" .. name) } or nil
  end
  for _, each in ipairs(found) do
    if each.is_file then
      local file
      file, message = file_of(folder, each.name, roles[each.name])
      if not file then
        return nil, message
      end
      list[#list + 1] = file
    else
      left_out[#left_out + 1] = ("%s, %s"):format(each.name, plain_files.instead(folder .. "/" .. each.name)
        or "gone meanwhile")
    end
  end
  return list, left_out
end

--- A time of the manifest as ISO 8601 with a zone.
local function time_of(value)
  return type(value) == "string" and value:gsub("([+-]%d%d)(%d%d)$", "%1:%2") or nil
end

---@class moonpulse.ProvenanceFacts
---@field folder string
---@field name string of its folder
---@field id string of the protocol or experiment
---@field title string
---@field manifest table
---@field files moonpulse.RunFile[]
---@field left_out string[] what is not among them: links and what else is no regular file, and what it is
---@field started string? ISO 8601
---@field ended string? ISO 8601
---@field uuid string the run's own, the same in every export
---@field simulated boolean
---@field completed boolean
---@field edited string? what of it is not as it was sealed

--- An identifier of the run, from what its manifest is.
local function uuid_of(manifest, name)
  local digits = sha256.of(("moonpulse run %s %s %s"):format(name, tostring(manifest.seed),
    tostring(manifest.started)))
  local variant = ("89ab"):sub((tonumber(digits:sub(17, 17), 16) & 3) + 1, (tonumber(digits:sub(17, 17),
    16) & 3) + 1)
  return ("%s-%s-5%s-%s%s-%s"):format(digits:sub(1, 8), digits:sub(9, 12), digits:sub(14, 16), variant,
    digits:sub(18, 20), digits:sub(21, 32))
end

--- Read a run.
---@param folder string
---@return moonpulse.ProvenanceFacts? facts
---@return string? message
function M.read(folder)
  local path, manifest = opened.ended(folder)
  if not path then
    return nil, manifest
  end
  folder = path
  local files, left_out = files_of(folder, manifest)
  if not files then
    return nil, left_out
  end
  local name, also = folder:match("[^/]+$"), { "resolved.plan" }
  for _, file in ipairs(files) do
    also[#also + 1] = file.name:find("^sources/") and file.name or nil
  end
  local id = tostring(read.get(manifest, "protocol.id") or read.get(manifest, "experiment.id") or name)
  return { folder = folder, name = name, id = id, title = tostring(read.get(manifest, "protocol.name") or id),
    manifest = manifest, files = files, left_out = left_out, started = time_of(manifest.started),
    ended = time_of(manifest.ended) or time_of(read.get(manifest, "clock.end.wall")),
    uuid = uuid_of(manifest, name), simulated = read.get(manifest, "device.simulated") or false,
    completed = manifest.status == "completed",
    edited = edited.look(folder, manifest, also) }
end

--- A part of the manifest; nil where there is none or it is empty.
---@param facts moonpulse.ProvenanceFacts
---@param path string as of read.get
---@return any
function M.part(facts, path)
  local value = read.get(facts.manifest, path)
  if value == cjson.null or type(value) == "table" and next(value) == nil then
    return nil
  end
  return value
end

return M
