--- What verify's process makes of a record, made once for each content of what it reads: of many edits of one
--- record most are of other files. The process is given a copy that has these files alone, so what it makes
--- cannot hang on another one without a record that nobody edited not being whole any more.
local busted = require "busted"
local children = require "moonpulse.verify.child"
local folders = require "moonpulse.record.folder"
local lfs = require "lfs"
local shell = require "shell"

local M = {}

local read_by_it = { "manifest.json", "journal.jsonl", "resolved.plan" } -- and what is in sources/

--- The files that it reads, by their names; what they are as a text.
---@param run string
---@param narrow (fun(texts: table<string, string>))?
local function inputs_of(run, narrow)
  local texts, names, parts = {}, {}, {}
  for _, name in ipairs(read_by_it) do
    names[#names + 1] = name
  end
  for _, name in ipairs(shell.names(run .. "/sources")) do
    names[#names + 1] = "sources/" .. name
  end
  for _, name in ipairs(names) do
    texts[name] = lfs.symlinkattributes(run .. "/" .. name, "mode") == "file"
      and shell.read(run .. "/" .. name) or nil
  end
  if narrow then
    narrow(texts)
  end
  for i, name in ipairs(names) do
    local text = texts[name]
    parts[i] = text and ("%s %d\n%s"):format(name, #text, text) or name .. " is none\n"
  end
  return texts, table.concat(parts)
end

--- Of a protocol's record without triggers: the journal's first line, and the manifest that names no other.
local function begin_of(texts)
  texts["journal.jsonl"] = (texts["journal.jsonl"] or ""):match "^[^\n]*\n"
  texts["manifest.json"] = texts["manifest.json"] and texts["manifest.json"]
    :gsub('("journal_head"%s*:%s*)"%x+"', '%1"' .. ("0"):rep(64) .. '"')
    :gsub('("journal_lines"%s*:%s*)%d+', "%11")
end

--- What verify finds while nothing can be made again: that only adds to what differs.
---@param find fun(...): any verifies
---@return any ... what find gave
function M.without(find, ...)
  local make <const> = children.make
  local put_back <close> = setmetatable({}, { __close = function() -- luacheck: ignore 211
    children.make = make
  end })
  children.make = function() return false, "not made again here" end
  return find(...)
end

--- Inside describe, of records whose sources/ has no folders.
---@param of "begin"? it reads no more of the journal than its first line: of protocols that no trigger starts
function M.inside(of)
  local make, folder, made, count

  local function once(kind, run, out, progress)
    local texts, key = inputs_of(run, of == "begin" and kind == "protocol" and begin_of or nil)
    key = kind .. "\n" .. key
    local each = made[key]
    if not each then
      count = count + 1
      each = { out = ("%s/%d"):format(folder, count) }
      local copy = ("%s/%s"):format(each.out, run:match "[^/]+$")
      assert(folders.make_all(copy))
      if lfs.attributes(run .. "/sources", "mode") == "directory" then
        assert(lfs.mkdir(copy .. "/sources"))
      end
      for name, text in pairs(texts) do
        shell.write(copy .. "/" .. name, text)
      end
      each.ended, each.said = make(kind, copy, each.out, progress)
      made[key] = each
    end
    if lfs.attributes(each.out .. "/made", "mode") == "directory" then
      assert(lfs.link(each.out .. "/made", out .. "/made", true))
    end
    return each.ended, each.said
  end

  busted.setup(function()
    make, folder, made, count = children.make, shell.folder(), {}, 0
    children.make = once
  end)
  busted.teardown(function()
    children.make = make
    shell.remove(folder)
  end)
end

return M
