-- A folder of a run that came from somebody else: what lies in it in the place of a file is named, never
-- waited for, by every command that reads such a folder, whichever file it is.
local bids = require "bids"
local lfs = require "lfs"
local shell = require "shell"

local folder, kept, torn, files

-- A pipe that is opened is waited for without end: this is how long a busy computer is given.
local patience = "timeout -s KILL 200 "

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

--- Run a command on a copy of a folder in which change was done to a file.
local function on(command, from, file, change)
  local out = folder .. "/out"
  local run, new = out .. "/2026-11-27T101500_x", folder .. "/new"
  os.execute(("rm -rf %s %s; mkdir %s; cp -r %s %s"):format(out, new, out, from, run))
  assert(os.execute(change:gsub("FILE", shell.quote(run .. "/" .. file))))
  local text = command.text:gsub("%u+", { RUN = run, NEW = new, OUT = out, KEPT = kept })
  local status, said, err = shell.sh(folder, patience .. shell.program .. " " .. text)
  return status, said .. err, text .. " with another " .. file
end

--- Every command ends, on its own and in its own words.
local function check(command, from, file, change)
  if command.own == file then -- the user names the very file, and may name a pipe
    return
  end
  local status, said, what = on(command, from, file, change)
  assert.is_true(status < 6, ("%s: status %d: %s"):format(what, status, said:sub(1, 600)))
  assert.is_nil(said:find("traceback", 1, true) or said:find("scripts/moonpulse", 1, true),
    what .. ": " .. said:sub(1, 600))
  if command.names then
    assert.is_truthy(said:find(file, 1, true), what .. " says nothing of it: " .. said:sub(1, 600))
  end
end

describe("what lies in a foreign folder in the place of a file:", function()
  it("a pipe is waited for by nobody", function()
    for _, command in ipairs(commands) do
      for _, file in ipairs(files) do
        check(command, kept, file, "rm FILE && mkfifo FILE")
      end
    end
  end)

  it("nor in the folder of a run that was killed", function()
    for _, command in ipairs { { text = "recover RUN" }, { text = "runs --out OUT --participant KIM" } } do
      for _, file in ipairs(files_of(torn, "", {})) do
        check(command, torn, file, "rm FILE && mkfifo FILE")
      end
    end
  end)

  it("a terabyte of nothing, or a device, is read by nobody", function()
    for _, command in ipairs(commands) do
      for _, file in ipairs { "SHA256SUMS", "events.json", "events.tsv", "twin.tsv" } do
        check(command, kept, file, "truncate -s 4T FILE")
      end
    end
    for _, name in ipairs(files) do
      check(commands[1], kept, name, "rm FILE && ln -s /dev/zero FILE")
    end
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
    for _, change in ipairs { "rm FILE && mkfifo FILE", "truncate -s 4T FILE" } do
      for _, file in ipairs(files_of(data, "", {})) do
        local copy = folder .. "/copy"
        os.execute(("rm -rf %s; cp -r %s %s"):format(copy, data, copy))
        assert(os.execute(change:gsub("FILE", shell.quote(copy .. "/" .. file))))
        local before = lfs.symlinkattributes(copy .. "/" .. file)
        local imported = not file:find("_nibs.tsv$") and ("import bids %s/%s -o %s/made.plan"):format(copy,
          nibs, folder) or nil
        for _, text in ipairs { "check-bids " .. copy,
          ("export bids %s --bids %s --sub 02"):format(kept, copy), imported } do
          local status, out, err = shell.sh(folder, patience .. shell.program .. " " .. text)
          local what = ("%s with another %s: status %d: %s"):format(text, file, status,
            (out .. err):sub(1, 600))
          assert.is_true(status < 6, what)
          assert.is_nil(what:find("traceback", 1, true) or what:find("scripts/moonpulse", 1, true), what)
        end
        local after = lfs.symlinkattributes(copy .. "/" .. file)
        assert.are.same({ before.mode, before.ino, before.size }, { after.mode, after.ino, after.size }, file)
      end
    end
  end)
end)
