-- A folder of a run that came from somebody else: what lies in it in the place of a file is named, never
-- waited for, by every command that reads such a folder, whichever file it is.
local bids = require "bids"
local exchanged = require "exchanged"
local lfs = require "lfs"
local shell = require "shell"

local folder, kept, torn, files

--- All files of a folder.
local function files_of(path, under, into)
  for name in lfs.dir(path .. "/" .. under) do
    local mode = name ~= "." and name ~= ".." and lfs.symlinkattributes(("%s/%s%s"):format(path, under,
      name), "mode")
    if mode == "directory" then
      files_of(path, under .. name .. "/", into)
    elseif mode then
      into[#into + 1] = under .. name
    end
  end
  return into
end

setup(function()
  folder = shell.folder()
  kept = bids.run(folder, "sici --rmt 40 --device sim:bistim")
  torn = folder .. "/torn" -- as one that was killed
  assert(os.execute(("cp -r %s %s; rm %s/SHA256SUMS %s/verify.sh"):format(kept, torn, torn, torn)))
  local text, count = shell.read(kept .. "/manifest.json"):gsub('"status":%s*"completed"',
    '"status":"running"')
  assert.is_true(count >= 1)
  shell.write(torn .. "/manifest.json", text)
  files = files_of(kept, "", {})
  assert.is_true(#files > 8)
end)

teardown(function() shell.remove(folder) end)

-- RUN is the folder; names: of what is read, what is no file is named, and with it what is left out
local commands = {
  { text = "export bids RUN --bids NEW --sub 01", names = true },
  { text = "export crate RUN -o NEW", names = true },
  { text = "export prov RUN -o NEW", names = true },
  { text = "verify RUN", names = true },
  { text = "methods RUN" }, { text = "diff RUN KEPT" }, { text = "rerun RUN --out NEW" },
  { text = "recover RUN" },
  { text = "runs --out OUT --participant KIM" }, { text = "events RUN/events.tsv", own = "events.tsv" },
}

--- A command on a copy of a folder with something else in the place of a file.
local function case_of(command, from, file, by)
  local out, new = folder .. "/out", folder .. "/new"
  local run, words = out .. "/2026-11-27T101500_x", {}
  local paths = { RUN = run, NEW = new, OUT = out, KEPT = kept }
  for word in command.text:gmatch("%S+") do
    words[#words + 1] = word:gsub("%u+", paths)
  end
  return { from = from, to = run, file = file, by = by, gone = { out, new }, lines = { words },
    command = command }
end

--- It ended in its own words.
local function check_said(each, line, file)
  local what = ("%s with another %s: status %s: %s"):format(table.concat(line, " "), file, each.status,
    each.said:sub(1, 600))
  assert.is_true((math.tointeger(each.status) or 6) < 6, what)
  assert.is_nil(what:find("traceback", 1, true) or what:find("scripts/moonpulse", 1, true), what)
  return what
end

--- Every command ends, on its own and in its own words.
local function check(cases)
  exchanged.each(folder, cases, function(case, result)
    local each = result.said[1]
    local what = check_said(each, case.lines[1], case.file)
    if case.command.names then
      assert.is_truthy(each.said:find(case.file, 1, true), what .. " says nothing of it")
    end
  end)
end

--- Each command with each file in whose place something is put.
local function each_of(list, from, names, by)
  local cases = {}
  for _, command in ipairs(list) do
    for _, file in ipairs(names) do
      if command.own ~= file then -- the user names the very file, and may name a pipe
        cases[#cases + 1] = case_of(command, from, file, by)
      end
    end
  end
  return cases
end

describe("what lies in a foreign folder in the place of a file:", function()
  it("a pipe is waited for by nobody", function()
    check(each_of(commands, kept, files, "pipe"))
  end)

  it("nor in the folder of a run that was killed", function()
    check(each_of({ { text = "recover RUN" }, { text = "runs --out OUT --participant KIM" } }, torn,
      files_of(torn, "", {}), "pipe"))
  end)

  it("a terabyte of nothing, or a device, is read by nobody", function()
    check(each_of(commands, kept, { "SHA256SUMS", "events.json", "events.tsv", "twin.tsv" }, "terabytes"))
    check(each_of({ commands[1] }, kept, files, "zero"))
  end)
end)

describe("what lies in a dataset in the place of a file", function()
  local data, nibs

  setup(function()
    data = folder .. "/data"
    assert.are.equal(0, (shell.moonpulse(folder, ("export bids %s --bids %s --sub 01"):format(kept, data))))
    for _, name in ipairs(shell.names(data .. "/sub-01/nibs")) do
      nibs = name:find("_nibs.tsv$") and "sub-01/nibs/" .. name or nibs
    end
  end)

  it("is neither waited for nor written over", function()
    local copy, cases = folder .. "/copy", {}
    for _, by in ipairs { "pipe", "terabytes" } do
      for _, file in ipairs(files_of(data, "", {})) do
        local lines = { { "check-bids", copy }, { "export", "bids", kept, "--bids", copy, "--sub", "02" } }
        if not file:find("_nibs.tsv$") then
          lines[3] = { "import", "bids", copy .. "/" .. nibs, "-o", folder .. "/made.plan" }
        end
        cases[#cases + 1] = { from = data, to = copy, file = file, by = by, gone = {}, lines = lines }
      end
    end
    exchanged.each(folder, cases, function(case, result)
      for i, each in ipairs(result.said) do
        check_said(each, case.lines[i], case.file)
      end
      assert.are.same(result.before, result.after, case.file)
    end)
  end)
end)
