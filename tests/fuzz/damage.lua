--- Ways to damage a run folder: bytes, fields, records with their checksums made good, and what lies in place
--- of a file. A folder is a table of texts by name; what is no text is { kind = ... }.
local cjson = require "cjson".new()

local M = {}

cjson.encode_invalid_numbers(true)
cjson.encode_sparse_array(true)

local names = { "manifest.json", "recover.json", "journal.jsonl", "flight.bin", "events.tsv", "twin.tsv" }
local random = math.random

local function pick(list)
  return list[random(#list)]
end

--- A text file that the folder has.
local function any_file(files, among)
  local there = {}
  for _, name in ipairs(among or names) do
    there[#there + 1] = type(files[name]) == "string" and #files[name] > 0 and name or nil
  end
  return there[1] and pick(there)
end

local function odd_value(depth)
  local nested = {}
  for _ = 1, depth and 0 or 200 do
    nested = { nested }
  end
  return pick { 0 / 0, math.huge, -math.huge, 1e308, -1e308, -1, 0, 1, 2, 0.5, 1e18, 2 ^ 53, 2 ^ 63, 1e6, 1e9,
    4000000, "", "\27[2J\27]0;x\7", "x\0y", ("x"):rep(100000), "9999-99-99T99:99:99+9999",
    "0000-00-00T00:00:00Z", "running", "experiment", "protocol", "interrupted", "P07", "MSO", "\xff\xfe",
    "%s%n%d", "../../etc/passwd", "/dev/zero", {}, { 1, 2, 3 }, { a = { b = {} } }, nested, true, false,
    cjson.null }
end

--- All places in a tree: { table, key }.
local function places(tree, list, depth)
  for key, value in pairs(tree) do
    list[#list + 1] = { tree, key }
    if type(value) == "table" and depth < 20 then
      places(value, list, depth + 1)
    end
  end
  return list
end

local function change_tree(tree)
  local list = places(tree, {}, 0)
  if #list == 0 then
    return
  end
  table.sort(list, function(a, b) return tostring(a[2]) < tostring(b[2]) end)
  local at, other = pick(list), pick(list)
  local how = random(10)
  if how <= 6 then
    at[1][at[2]] = odd_value()
  elseif how == 7 then
    at[1][at[2]] = nil
  elseif how == 8 then
    at[1][at[2]] = other[1][other[2]]
  elseif type(at[1][at[2]]) == "number" then
    at[1][at[2]] = at[1][at[2]] * pick { -1, 2, 1000, 1e-9, 1e9 } + pick { 0, 1, 0.5 }
  else
    at[1][pick { "train", "part", "levels", "flight", "x" }] = odd_value()
  end
end

local function encoded(tree, before)
  local ok, text = pcall(cjson.encode, tree)
  return ok and text or before
end

local ways = {}

function ways.manifest(files)
  local text = files["manifest.json"]
  local ok, tree = pcall(cjson.decode, type(text) == "string" and text or "")
  if ok and type(tree) == "table" then
    change_tree(tree)
    files["manifest.json"] = encoded(tree, text)
  end
end

--- A line of the journal; its checksum is made good, is wrong, or is not there.
function ways.journal(files)
  local text, lines = files["journal.jsonl"], {}
  if type(text) ~= "string" then
    return ways.manifest(files)
  end
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  local i = #lines > 0 and random(#lines) or 0
  local ok, tree = pcall(cjson.decode, lines[i] or "")
  if ok and type(tree) == "table" then
    tree.check = nil
    change_tree(tree)
    local body = encoded(tree, lines[i]):sub(1, -2)
    lines[i] = random(3) == 1 and body .. "}"
      or ('%s,"check":"%s"}'):format(body, require("moonpulse.core").checksum(body))
  end
  if random(5) == 1 and #lines > 1 then
    local k = random(#lines)
    lines[i], lines[k] = lines[k], lines[i]
  end
  files["journal.jsonl"] = table.concat(lines, "\n") .. pick { "\n", "" }
end

--- The checksum of a flight record, from version 2 on, as engine/flight.c has it.
local function checksum(record, place)
  local hash = 0xCBF29CE484222325 ~ place
  for at = 1, 56, 8 do
    hash = (hash ~ ("<i8"):unpack(at == 1 and "\0\0\0\0" .. record:sub(5, 8) or record, at)) * 0x100000001B3
    hash = hash ~ (hash >> 29)
  end
  local folded = (hash ~ (hash >> 32)) & 0xFFFFFFFF
  return folded == 0 and 1 or folded
end

local integers = { 0, 1, -1, 2, 11, 255, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, math.maxinteger,
  math.mininteger }

--- A field of a flight record, with its checksum made good.
function ways.flight_record(files)
  local text = files["flight.bin"]
  local count = type(text) == "string" and (#text - 4096) // 64 or 0
  if count < 1 then
    return ways.bytes(files)
  end
  local place = random(count)
  local from = 4096 + (place - 1) * 64
  local record = text:sub(from + 1, from + 64)
  local field = pick { { 5, "B" }, { 6, "B" }, { 7, "<I2" }, { 9, "<I4" }, { 13, "<I4" }, { 17, "<i8" },
    { 25, "<i8" }, { 33, "<i8" }, { 41, "<i8" }, { 49, "<i8" }, { 57, "<i8" } }
  local size = field[2]:packsize()
  local value = pick(integers)
  if size < 8 then
    value = value & ((1 << (8 * size)) - 1)
  elseif random(2) == 1 then
    value = (field[2]):unpack(record, field[1]) + value
  end
  record = record:sub(1, field[1] - 1) .. field[2]:pack(value) .. record:sub(field[1] + size)
  record = ("<I4"):pack(checksum(record, place)) .. record:sub(5)
  files["flight.bin"] = text:sub(1, from) .. record .. text:sub(from + 65)
end

function ways.bytes(files)
  local name = any_file(files)
  if not name then
    return
  end
  local text = files[name]
  local at, length = random(#text), random(pick { 1, 4, 64, 1000 })
  local before, after = text:sub(1, at - 1), text:sub(at + length)
  local changed = { function()
      return before .. string.char(text:byte(at) ~ (1 << random(0, 7))) .. text:sub(at + 1)
    end,
    function() return before end, function() return before .. after end,
    function() return before .. ("\0"):rep(length) .. after end,
    function() return before .. text:sub(at, at + length - 1):rep(random(3)) .. after end,
    function()
      return before .. pick { "\27[31m", "\t", "\n", "nan", "-", "1e999", "[[[[[", "\255" } .. text:sub(at)
    end,
    function() return ("[" ):rep(5000) .. text end, function() return "" end }
  files[name] = pick(changed)()
end

--- A field of the table of events.
function ways.row(files)
  local text, lines = files["events.tsv"], {}
  if type(text) ~= "string" then
    return ways.bytes(files)
  end
  for line in text:gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  local i = #lines > 0 and random(#lines)
  if i then
    local fields = {}
    for field in (lines[i] .. "\t"):gmatch("([^\t]*)\t") do
      fields[#fields + 1] = field
    end
    fields[random(#fields)] = pick { "nan", "inf", "-1", "1e308", "-1e308", "1e999", "0.5", "", "n/a",
      "pulse", "mark", "9999999999999999999", "999999999", "1e9", "1e15", "-1e15",
      "\27[2J", "delivered", ("9"):rep(400), "0x10", "\xff" }
    lines[i] = table.concat(fields, "\t")
    files["events.tsv"] = table.concat(lines, "\n") .. "\n"
  end
end

--- Something else in place of a file.
function ways.place(files)
  local kind = pick { "none", "fifo", "folder", "link", "sparse", "empty" }
  files[pick { "manifest.json", "recover.json", "journal.jsonl", "flight.bin", "events.tsv", "report.html",
    "events.tsv.new", "manifest.json.new", "report.html.part" }] = { kind = kind,
    target = pick { "/dev/zero", "/dev/null", "/dev/tty", "/dev/full", "nowhere", ".", "manifest.json",
      "/proc/self/mem", "/proc/kmsg" } }
end

local order = { "manifest", "manifest", "manifest", "journal", "journal", "flight_record", "flight_record",
  "bytes", "bytes", "row", "place" }

--- Damage a folder in one to three ways.
---@param files table<string, string|table> changed
---@return string what was done, for whoever looks at it
function M.some(files)
  local done = {}
  for i = 1, random(3) do
    done[i] = pick(order)
    ways[done[i]](files)
  end
  return table.concat(done, ", ")
end

return M
