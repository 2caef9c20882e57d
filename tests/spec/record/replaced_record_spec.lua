-- events.tsv that another program replaces, removes or empties while the run goes on: no row is lost without
-- a word, and what is in its place stays.
local cjson = require "cjson"
local core = require "moonpulse.core"
local files = require "moonpulse.record.file"
local fixture = require "job"
local shell = require "shell"

describe("events.tsv", function()
  local folder

  local replaced = "cp events.tsv e; echo mine >>e; mv e events.tsv"
  local linked = "rm events.tsv; ln -s /nowhere events.tsv"
  -- the first row's intensity: as many bytes, as many lines
  local edit = "at=$(grep -obP '40\\t40\\tMSO' events.tsv | head -n 1 | cut -d: -f1); "
    .. "printf 9 | dd of=events.tsv bs=1 seek=$at conv=notrunc 2>/dev/null"
  -- runs by name: the shell command that meets the run's events.tsv in its middle
  local meetings = { replaced = replaced, linked = linked, removed = "rm events.tsv", missing = ":",
    emptied = ": >events.tsv", edited = edit, edited_later = ":", damaged = ":", terabyte = ":", fresh = ":",
    folder_moved = "cd ..; mv * ../elsewhere", folder_removed = "rm -r \"$PWD\"",
    out_removed = "rm -r \"$(dirname \"$PWD\")\"" }
  local results

  setup(function()
    folder = shell.folder()
    shell.write(folder .. "/made.lua", [[local mp = require "moonpulse"
      local params = { does = { default = "" }, done = { default = "" } }
      return mp.experiment { params = params, run = function(run)
        local stim = run:device()
        stim:arm()
        for i = 1, 10 do
          stim:fire(mp.pulse(mp.mso(40)))
          if i == 5 then
            run:sleep(1.5) -- rows are held back for about a second
            -- beside the run, whose loop may not be silent for half a second
            os.execute("{ " .. run.params.does .. "; : >" .. run.params.done .. "; } &")
            while not io.open(run.params.done) do
              run:sleep(0.02)
            end
          end
        end
      end }]])
    results = fixture.meet(folder, meetings, function(name, script)
      return ("-p does='sh %s' -p done=%s/%s.done --seed 1"):format(script, folder, name)
    end)
  end)

  teardown(function()
    shell.remove(folder)
  end)

  --- How a run went: status, what it said, its folder.
  local function run(name)
    local status, said = results[name].status, results[name].out .. results[name].err
    assert.are.equal("ok", status == 2 and said or "ok")
    return status, said, fixture.run_in(folder .. "/" .. name)
  end

  local function assert_whole(path)
    local pulses = {}
    for i, row in ipairs(shell.rows(path .. "/events.tsv")) do
      assert.are.equal(tostring(i), row.index)
      if row.event == "pulse" then
        pulses[#pulses + 1] = row
        assert.are.same({ tostring(#pulses), "delivered" }, { row.pulse, row.status })
      end
    end
    assert.are.equal(10, #pulses)
  end

  it("has every row when the run's folder was moved or removed: it is made again, which is said", function()
    for _, name in ipairs { "folder_moved", "folder_removed", "out_removed" } do
      local status, said, path = run(name)
      assert.are.equal(0, status, said)
      assert_whole(path)
      assert.matches("moved or removed this folder during the run; it was made again", said, 1, true)
      assert.are.equal("completed", fixture.manifest(path).status)
      assert.is_string(shell.read(path .. "/report.html"))
    end
    assert.is_string(shell.read(folder .. "/elsewhere/flight.bin"))
  end)

  it("has every row when another file was put in its place, which stays", function()
    for name, kept in pairs { replaced = "mine\n$", linked = false } do
      local status, said, path = run(name)
      assert.are.equal(0, status, said)
      assert.matches("another program replaced it during the run; it was written again and has every row; "
        .. "what was in its place is .*events.tsv.replaced\n", said)
      assert_whole(path)
      if kept then
        assert.matches(kept, shell.read(path .. "/events.tsv.replaced"))
      end
    end
  end)

  it("has every row when it was removed", function()
    local status, said, path = run "removed"
    assert.are.equal(0, status, said)
    assert.matches("another program removed it during the run; it was written again and has every row\n",
      said)
    assert_whole(path)
    assert.is_nil(shell.read(path .. "/events.tsv.replaced"))
  end)

  it("of an ended run is written by recover where it is missing or short, and the result stays", function()
    local status, said, path = run "missing"
    assert.are.equal(0, status, said)
    for _, command in ipairs { "rm events.tsv", "sed -i 4,\\$d events.tsv", "truncate -s 100 events.tsv",
      ": >events.tsv" } do
      assert(os.execute(("cd %s && %s"):format(path, command)))
      local code, out, err = shell.moonpulse(folder, "recover " .. path)
      assert.are.equal(0, code, command .. err)
      assert.matches("recovered 10 of 10", out)
      assert_whole(path)
      local manifest = cjson.decode(shell.read(path .. "/manifest.json"))
      assert.are.same({ "completed", 10 }, { manifest.status, manifest.result.pulses_sent })
    end
    assert.is_truthy(shell.read(path .. "/events.tsv.replaced"))
    local code, _, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(2, code)
    assert.matches("there is nothing to recover", err)
    assert(os.execute(("cd %s && rm events.tsv flight.bin"):format(path)))
    code, _, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(2, code)
    assert.matches("events.tsv is missing, or not as the run left it, and there is no flight.bin",
      err)
  end)

  it("says that it is not whole when it was emptied, and recover writes it", function()
    local status, said, path = run "emptied"
    assert.are.equal(5, status, said)
    assert.matches("not whole: .*/events.tsv: another program emptied or changed it during the "
      .. "run; flight.bin has every pulse: moonpulse recover ", said)
    assert.are.equal("running", cjson.decode(shell.read(path .. "/manifest.json")).status)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    assert_whole(path)
  end)

  it("says that it is not whole when it was edited in its place, with as many lines as before", function()
    local status, said, path = run "edited"
    assert.matches("90\t40\tMSO", (shell.read(path .. "/events.tsv")))
    assert.are.equal(5, status, said)
    assert.matches("not whole: .*/events.tsv: another program emptied or changed it during the run; ", said)
    assert.are.equal("running", cjson.decode(shell.read(path .. "/manifest.json")).status)
    assert.are.equal(0, (shell.moonpulse(folder, "recover " .. path)))
    assert_whole(path)
    assert.is_nil(shell.read(path .. "/events.tsv"):find("90\t40\tMSO"))
  end)

  it("of an ended run is written by recover where it was edited, and what is there stays", function()
    local status, said, path = run "edited_later"
    assert.are.equal(0, status, said)
    local text = shell.read(path .. "/events.tsv")
    assert.are.equal(2, (shell.moonpulse(folder, "recover " .. path))) -- nothing to do
    assert(os.execute(("cd %s && %s"):format(path, edit)))
    local edited = shell.read(path .. "/events.tsv")
    assert.are.same({ true, #text }, { edited ~= text, #edited })
    local code, out, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, code, err)
    assert.matches("recovered 10 of 10", out)
    assert_whole(path)
    assert.are.equal(edited, shell.read(path .. "/events.tsv.replaced"))
    local again, _, why = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(2, again)
    assert.matches("there is nothing to recover", why)
  end)

  it("is written, and so is the manifest, where somebody's folder has the name of the new file", function()
    local _, _, path = run "fresh"
    for _, name in ipairs { "events.tsv.new", "manifest.json.new" } do
      shell.sh(folder, ("mkdir -p %s/%s/mine"):format(path, name))
    end
    os.remove(path .. "/events.tsv")
    local code, _, err = shell.sh(folder, ("%s recover %s"):format(shell.program, path))
    assert.are.equal(0, code, err)
    assert_whole(path)
    assert.is_not_nil(require "lfs".attributes(path .. "/events.tsv.new.replaced/mine", "mode"))
    assert.is_not_nil(require "lfs".attributes(path .. "/manifest.json.new.replaced/mine", "mode"))
  end)

  it("of an ended run that became a terabyte of nothing is not read through", function()
    local status, said, path = run "terabyte"
    assert.are.equal(0, status, said)
    local file = assert(io.open(path .. "/events.tsv", "wb"))
    file:seek("set", 1 << 40)
    file:write("x")
    file:close()
    local code, _, err = shell.sh(folder, ("timeout 20 %s recover %s"):format(shell.program, path))
    assert.are.equal(0, code, err)
    assert_whole(path)
  end)

  it("of an ended run is written once, however damaged flight.bin is", function()
    local status, said, path = run "damaged"
    assert.are.equal(0, status, said)
    local flight = assert(io.open(path .. "/flight.bin", "r+b"))
    flight:seek("set", 4096 + 64 * 12) -- behind its header
    flight:write(("\0"):rep(64 * 8))
    flight:close()
    assert(os.remove(path .. "/events.tsv"))
    local code, _, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(0, code, err)
    local text = shell.read(path .. "/events.tsv")
    local rows = 0
    for _, row in ipairs(shell.rows(path .. "/events.tsv")) do
      rows = rows + (row.event == "pulse" and 1 or 0)
    end
    assert.is_true(rows < 10)
    code, _, err = shell.moonpulse(folder, "recover " .. path)
    assert.are.equal(2, code, err)
    assert.matches("there is nothing to recover", err)
    assert.are.equal(text, shell.read(path .. "/events.tsv"))
    assert.is_nil(shell.read(path .. "/events.tsv.replaced"))
  end)

  it("stays as it is where what the run wrote cannot be read back to its end", function()
    local path, text = folder .. "/unread.tsv", ("a row\n"):rep(3)
    local file, sum, open = core.create_file(path), core.sum(), io.open
    sum:add(text)
    assert(file:write(text) and file:flush())
    os.rename(path, path .. ".away")
    shell.write(path, "another's")
    local parts = { "a row\n" }
    local broken = setmetatable({ read = function() return table.remove(parts), "Input/output error" end },
      { __close = function() end })
    rawset(io, "open", function(name, mode)
      return name:find("^/proc/self/fd/") and broken or open(name, mode)
    end)
    local ok, note, lost = pcall(files.settle, file, path, 3, sum:text(), "row")
    rawset(io, "open", open)
    file:close()
    assert(ok, note)
    assert.is_nil(note)
    assert.matches("cannot be written again %(Input/output error%)", lost)
    assert.are.equal("another's", shell.read(path))
    assert.is_nil(shell.read(path .. ".new"))
  end)
end)
